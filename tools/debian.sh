#!/bin/sh
# Runs commands as a newcomer would, in a clean clone of the last commit on a clean Debian with Go, git and make.
#
#   tools/debian.sh trixie 'make run && make test'
#
# Needs root and debootstrap. Go and its downloaded modules are this machine's, and so are the network and the certificates
# that are trusted; all else comes from Debian, and goes again at the end.
set -eu
cd "$(dirname "$0")/.."
. tools/apt.sh

suite=$1 command=$2
root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
clean_debian "$suite" ".build/debian-$suite.tar" "$root"
mkdir -p "$root/tree" "$root/usr/local/go" "$root/root/go/pkg/mod"

# What is mounted and what runs there ends with these namespaces.
unshare --mount --pid --fork sh -euc '
	root=$0
	mount --bind "$root" "$root" # what is no mount cannot be the root of namespaces of its own, which tests make
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount --rbind /sys "$root/sys"
	mount --bind -o ro "$PWD" "$root/tree"
	mount --bind -o ro "$1" "$root/usr/local/go"
	mount --bind "$2" "$root/root/go/pkg/mod"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	inside() {
		env -i HOME=/root PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" sh -euc "$1"
	}
	inside "apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates git make"
	mount --bind -o ro /etc/ssl/certs "$root/etc/ssl/certs"
	inside "git clone -q /tree /root/clone && cd /root/clone && $3"
' "$root" "$(go env GOROOT)" "$(go env GOMODCACHE)" "$command"
