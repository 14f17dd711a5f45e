#!/bin/sh
# Runs a command of Go so that what it builds is one static file for any Linux, with musl, libzmq and libsodium in it.
#
#   tools/static.sh amd64|arm64 go build -o FILE ./cmd/streamq-proxy
#   tools/static.sh arm64 go test -exec qemu-aarch64-static ./pairing
#   tools/static.sh amd64 tar DIRECTORY    the program, packed, into DIRECTORY
#   tools/static.sh amd64 try DIRECTORY    runs the demo of what is packed there, where there is no other file
#   tools/static.sh amd64 parts            what is in it besides Go and its modules: name, version, and what has brought it
#
# The compiler is zig's, from PyPI, and the sources are from crates.io, both by checksum in tools/static. They are fetched
# and built once, into .build/static, which takes some minutes.
set -eu
cd "$(dirname "$0")/.."

die() {
	echo "static: $*" >&2
	exit 1
}

for command in go python3 cargo tar; do
	command -v "$command" >/dev/null 2>&1 || die "$command is missing"
done

arch=${1:-}
case $arch in
amd64) target=x86_64-linux-musl ;;
arm64) target=aarch64-linux-musl ;;
*) die "'$arch' is neither amd64 nor arm64" ;;
esac
shift

top=$PWD
to=$top/.build/static
lock=$(cat tools/static/*.* tools/static.sh | sha256sum)
zig=$to/zig/ziglang/zig
vendor=$to/sources/zeromq-src/vendor

fetch() {
	[ "$(cat "$to/fetched" 2>/dev/null)" != "$lock" ] || return 0
	echo "static: fetching zig, libzmq and libsodium into .build/static" >&2
	rm -rf "$to"
	mkdir -p "$to"
	python3 -m pip install -q --no-deps --only-binary :all: --require-hashes -r tools/static/requirements.txt \
		--disable-pip-version-check --root-user-action=ignore --target "$to/zig" >&2
	cargo vendor -q --locked --manifest-path tools/static/Cargo.toml "$to/sources" >/dev/null
	tar -xzf "$to/sources/libsodium-sys-stable/LATEST.tar.gz" -C "$to"
	echo "$lock" >"$to/fetched"
}

# In the directory of the sources, so that no path of this machine is in what is built.
build() {
	lib=$to/$target
	[ ! -e "$lib/lib/libzmq.a" ] || return 0
	echo "static: building libsodium and libzmq for $target, once" >&2
	(cd "$to/libsodium-stable" && "$zig" build -Dtarget="$target" -Doptimize=ReleaseFast -Dshared=false -Dtest=false --prefix "$lib") >&2
	mkdir -p "$lib/objects"
	(cd "$vendor" && find src -name '*.cpp' ! -name 'ws*' | sort | xargs -P "$(nproc)" -I '{}' sh -c '
		object=$0/objects/$(basename "{}" .cpp).o
		"$2" c++ -target "$3" -O2 -g0 -fno-sanitize=all -std=c++17 -Dgetnameinfo=seam_getnameinfo -I"$1" -Iinclude -Isrc -I"$0/include" -c "{}" -o "$object"
	' "$lib" "$top/tools/static" "$zig" "$target")
	"$zig" cc -target "$target" -O2 -g0 -c "$top/tools/static/names.c" -o "$lib/objects/names.o"
	"$zig" ar rcsD "$lib/libzmq.a.new" "$lib"/objects/*.o
	cat >"$lib/libzmq.pc" <<-end
		Name: libzmq
		Description: libzmq and what it needs
		Version: 4.3.5
		Libs: -L$lib/lib -lzmq -lsodium -lc++
		Cflags: -I$vendor/include -DZMQ_STATIC
	end
	mv "$lib/libzmq.a.new" "$lib/lib/libzmq.a" # last: the sign that all is there
}

fetch
build

export CGO_ENABLED=1 GOOS=linux GOARCH="$arch" PKG_CONFIG_LIBDIR="$to/$target" CGO_CFLAGS="-O2 -g0" CGO_CPPFLAGS=
export CC="$zig cc -target $target" CXX="$zig c++ -target $target"
# Names are looked up by Go itself: a static getaddrinfo(3) knows no /etc/nsswitch.conf.
export GOFLAGS="-trimpath -tags=libzmq_static,netgo,osusergo '-ldflags=-s -w -buildid= -linkmode=external -extldflags \"-static -s\"'"

number() { sed -n "s/^#define $1 *//p" "$vendor/include/zmq.h"; }

# locked NAME: the version of a crate.
locked() { sed -n "/^name = \"$1\"/{n;s/.*\"\(.*\)\"/\1/p}" tools/static/Cargo.lock; }

case $1 in
tar | try) ;;
parts)
	by="ziglang $(sed -n 's/^ziglang==\([0-9.]*\).*/\1/p' tools/static/requirements.txt)"
	echo "libzmq $(number ZMQ_VERSION_MAJOR).$(number ZMQ_VERSION_MINOR).$(number ZMQ_VERSION_PATCH) zeromq-src $(locked zeromq-src)"
	echo "libsodium $(sed -n 's/^AC_INIT(\[libsodium\],\[\([0-9.]*\)\].*/\1/p' "$to/libsodium-stable/configure.ac") libsodium-sys-stable $(locked libsodium-sys-stable)"
	echo "musl $(sed -n 's/.*"\(.*\)"/\1/p' "$to/zig/ziglang/lib/libc/musl/src/internal/version.h") $by"
	echo "libc++ $(sed -n 's/^# *define _LIBCPP_VERSION \([0-9]\{2\}\)0*\([0-9]\{1,2\}\)00$/\1.\2/p' "$to/zig/ziglang/lib/libcxx/include/__config") $by"
	exit
	;;
*) exec "$@" ;;
esac

# Root's, as old as the commit, in the order of their names: two builds of one commit are the same.
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$(sed -n 's/^.*release = "v\(.*\)".*$/\1/p' cmd/streamq-proxy/version.go)
name=streamq-proxy-$version-linux-$arch
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "$1" = try ]; then
	[ "$(id -u)" = 0 ] || die "chroot(8) is root's: sudo $0 $arch try $2"
	tar -xzf "$2/$name.tar.gz" -C "$work"
	mkdir "$work/$name/tmp"
	echo "static: the demo in a root with nothing in it but $(cd "$work/$name" && echo *)"
	chroot "$work/$name" /streamq-proxy demo
	exit
fi
mkdir "$work/$name"
go build -o "$work/$name/streamq-proxy" ./cmd/streamq-proxy
cp LICENSE "$work/$name"
cp "$to/libsodium-stable/LICENSE" "$work/$name/LICENSE.libsodium"
cp "$vendor/LICENSE" "$work/$name/LICENSE.libzmq"
cp "$to/zig/ziglang/lib/libc/musl/COPYRIGHT" "$work/$name/LICENSE.musl"
cp "$to/zig/ziglang/lib/libcxx/LICENSE.TXT" "$work/$name/LICENSE.libc++"
go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/streamq-proxy | sort -u |
	while read -r path version dir; do
		find "$dir" -maxdepth 1 -type f \( -iname 'licen*' -o -iname 'copying*' -o -iname 'notice*' \) | sort |
			while read -r file; do printf '%s %s: %s\n\n%s\n\n' "$path" "$version" "${file##*/}" "$(cat "$file")"; done
	done >"$work/$name/LICENSE.modules"
chmod 0644 "$work/$name"/LICENSE*
mkdir -p "$2"
tar -C "$work" --sort=name --mtime="@$when" --owner=0 --group=0 --numeric-owner -c "$name" | gzip -n9 >"$2/$name.tar.gz"
