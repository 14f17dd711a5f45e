#!/usr/bin/env bash
# A TCP socket can be bound to a multicast or the broadcast address, getsockname() says so, and connect() then goes out
# from another address of the machine without a word. A bind to any foreign unicast address is refused, or kept.
#
# Versions: Linux 6.18, Python 3.11.
# Why: bind() takes these addresses for every kind of socket and notes them as the local one, but not as the source
# (inet_saddr stays 0), so connect() chooses a source by the route and overwrites the local address with it.
# Matters to who dials from an address that was asked for (a proxy's source address, a bind option of a client): an
# address of this kind is not found out by bind(), nor by getsockname() before connect(). Ask after connect().
#
# Seen:
#   224.0.0.7        bound to 224.0.0.7, connected from 127.0.0.1
#   255.255.255.255  bound to 255.255.255.255, connected from 127.0.0.1
#   192.0.2.9        bind: Cannot assign requested address
#   127.9.9.9        bound to 127.9.9.9, connected from 127.9.9.9
#
# Needs python3 on Linux. Exits 1 when it behaves differently.
set -euo pipefail
python3 - <<'PYTHON'
import os, platform, socket, sys


def dial_from(address):
    """What becomes of a TCP connection to this machine whose own end is bound to address first."""
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        try:
            client.bind((address, 0))
        except OSError as e:
            return "bind: " + os.strerror(e.errno)
        bound = client.getsockname()[0]
        client.settimeout(5)
        client.connect(listener.getsockname())
        seen = listener.accept()[1][0]
        return "bound to %s, connected from %s" % (bound, seen)


expected = {
    "224.0.0.7": "bound to 224.0.0.7, connected from 127.0.0.1",
    "255.255.255.255": "bound to 255.255.255.255, connected from 127.0.0.1",
    "192.0.2.9": "bind: Cannot assign requested address",
    "127.9.9.9": "bound to 127.9.9.9, connected from 127.9.9.9",
}
print("Linux", platform.release())
seen = {address: dial_from(address) for address in expected}
for address, what in seen.items():
    print("%-16s %s" % (address, what))
print("as described" if seen == expected else "NOT as described")
sys.exit(0 if seen == expected else 1)
PYTHON
