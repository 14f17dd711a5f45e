#!/usr/bin/env bash
# A SUB socket that binds tells a publisher what it wants only when the application calls the socket again.
#
# Versions: libzmq 4.3.5 of pyzmq 27.1.0's wheel.
# Why it surprises: connecting, handshakes and reading are done by libzmq's own thread, and a SUB that connects subscribes
# while its application sleeps. For one that binds the connection is made by that thread as well, and the socket's monitor
# says that the handshake has succeeded; but the socket takes a new connection over, and sends it its subscriptions, in the
# application's thread, at its next call. Until then everything that is published is dropped at the publisher.
# Matters to whoever sets up a bound SUB or XSUB, waits for its monitor, and does something else before he reads: a
# forwarder (XPUB and XSUB) that is called only when its other side has something, for example.
#
# Seen:
#   SUB connects, and sleeps: the publisher has its subscription within 2 s
#   SUB binds, and sleeps: handshake succeeded; no subscription within 2 s
#   SUB binds, and is polled for 0 ms: the publisher has its subscription within 2 s
#
# Needs python3 with venv and the Python package index. Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q install --disable-pip-version-check --only-binary :all: pyzmq==27.1.0

cat >"$dir/late.py" <<'PY'
import zmq
from zmq.utils.monitor import recv_monitor_message

WAIT = 2000  # milliseconds
assert zmq.zmq_version() == "4.3.5", zmq.zmq_version()
context = zmq.Context()


def pair(sub_binds):
    """A publisher that hears of subscriptions, and a SUB whose monitor has said that they are connected."""
    sub, pub = context.socket(zmq.SUB), context.socket(zmq.XPUB)
    monitor = sub.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    sub.subscribe(b"")
    binds, connects = (sub, pub) if sub_binds else (pub, sub)
    binds.bind("tcp://127.0.0.1:*")
    connects.connect(binds.last_endpoint)
    assert monitor.poll(10 * WAIT)
    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
    return sub, pub


def heard(pub):
    return "the publisher has its subscription" if pub.poll(WAIT) else "no subscription"


sub, pub = pair(sub_binds=False)
print(f"SUB connects, and sleeps: {heard(pub)} within 2 s")
sub, pub = pair(sub_binds=True)
print(f"SUB binds, and sleeps: handshake succeeded; {heard(pub)} within 2 s")
sub.poll(0)
print(f"SUB binds, and is polled for 0 ms: {heard(pub)} within 2 s")
context.destroy(linger=0)
PY
"$dir/venv/bin/python" "$dir/late.py" | tee "$dir/seen"
sed -n 's/^#   //p' "$0" | diff - "$dir/seen" >&2 || { echo "it behaves differently" >&2; exit 1; }
