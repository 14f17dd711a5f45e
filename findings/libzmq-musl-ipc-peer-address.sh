#!/usr/bin/env bash
# On musl libzmq knows no Peer-Address of an ipc peer; on glibc the same libzmq says localhost:UID:GID:PID.
#
# Versions: libzmq 4.3.5 of pyzmq 26.2.0's wheels for glibc and for musl; Debian 12's musl 1.2.3 and glibc 2.36.
# Why it surprises: user, group and process come from SO_PEERCRED, which musl has as well, and over tcp both give the
# address. But libzmq first asks getnameinfo(3) for the peer's host. glibc has a name for a unix socket's, "localhost";
# musl knows the families of the Internet alone (EAI_FAMILY), and libzmq then leaves the property out.
# Matters to whoever tells ipc peers apart by it, in a ZAP handler or by zmq_msg_gets(3), and moves to Alpine.
#
# Seen:
#   glibc tcp: 127.0.0.1
#   glibc ipc: localhost:UID:GID:PID
#   musl tcp: 127.0.0.1
#   musl ipc: none
#
# Needs gcc, apt, python3 with venv and the Python package index, x86-64. Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
wheel() { # NAME PLATFORM: pyzmq's wheel for a platform, unpacked
	venv/bin/pip -q download --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.12 --platform "$2" -d "$1" pyzmq==26.2.0
	python3 -m zipfile -e "$1"/*.whl "$1"
}
wheel glibc manylinux_2_17_x86_64
wheel musl musllinux_1_1_x86_64
apt-get -q download musl=1.2.3-1 musl-dev=1.2.3-1 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done

cat >peer.c <<'C'
#include <stdio.h>
#include <string.h>
extern void *zmq_ctx_new(void);
extern void *zmq_socket(void *, int);
extern int zmq_bind(void *, const char *), zmq_connect(void *, const char *), zmq_send(void *, const void *, size_t, int);
extern int zmq_getsockopt(void *, int, void *, size_t *);
extern int zmq_msg_init(void *), zmq_msg_recv(void *, void *, int);
extern const char *zmq_msg_gets(const void *, const char *);
enum { PUSH = 8, PULL = 7, LAST_ENDPOINT = 32 };

/* peer ENDPOINT prints the Peer-Address of who connects there. */
int main(int n, char **args)
{
	void *context = zmq_ctx_new(), *pull = zmq_socket(context, PULL), *push = zmq_socket(context, PUSH);
	char at[256];
	size_t size = sizeof at;
	_Alignas(16) unsigned char message[64];
	if (n != 2 || zmq_bind(pull, args[1]) || zmq_getsockopt(pull, LAST_ENDPOINT, at, &size) || zmq_connect(push, at)
	    || zmq_send(push, "x", 1, 0) != 1 || zmq_msg_init(message) || zmq_msg_recv(message, pull, 0) != 1)
		return 2;
	const char *address = zmq_msg_gets(message, "Peer-Address");
	puts(address ? address : "none");
	fflush(stdout);
	return 0;
}
C
libs() { echo "$dir/$1/pyzmq.libs"; }
library() { echo "$(libs "$1")"/libzmq*.so*; }
gcc -o peer.glibc peer.c "$(library glibc)" -Wl,--allow-shlib-undefined
musl=root/usr/lib/x86_64-linux-musl loader=$(echo root/lib/*/libc.so root/usr/lib/*/libc.so | tr ' ' '\n' | grep -v '[*]' | head -1)
gcc -nostdinc -isystem root/usr/include/x86_64-linux-musl -fno-stack-protector -c -o peer.o peer.c
gcc -nostdlib -no-pie -o peer.musl "$musl/crt1.o" "$musl/crti.o" peer.o "$(library musl)" "$loader" "$musl/crtn.o" -Wl,--allow-shlib-undefined

run() { # LIBC ENDPOINT
	case $1 in
	glibc) LD_LIBRARY_PATH=$(libs glibc) timeout 20 ./peer.glibc "$2" ;;
	musl) timeout 20 "$loader" --library-path "$(libs musl)" ./peer.musl "$2" ;;
	esac
}
seen=$(for libc in glibc musl; do
	echo "$libc tcp: $(run "$libc" 'tcp://127.0.0.1:*')"
	echo "$libc ipc: $(run "$libc" "ipc://$dir/$libc.sock" | sed -E 's/:[0-9]+:[0-9]+:[0-9]+$/:UID:GID:PID/')"
done)
echo "$seen"
[ "$seen" = "glibc tcp: 127.0.0.1
glibc ipc: localhost:UID:GID:PID
musl tcp: 127.0.0.1
musl ipc: none" ]
