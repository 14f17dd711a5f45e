#!/usr/bin/env bash
# A libzmq client that has nothing left to send cannot end its context for half a minute, if it has once exchanged a
# message and its reconnect was accepted and not answered. Without that message it ends at once, and so it does where
# the port refuses, and with ZMQ_LINGER 0.
#
# Versions: pyzmq 27.1.0 with libzmq 4.3.5 (the same with Debian 12's libzmq 4.3.4).
# Why it surprises: zmq_ctx_term(3) waits for "all messages sent", and there is none. What it waits for is the handshake
# of the new connection, until ZMQ_HANDSHAKE_IVL (30 s) is over.
# Matters behind whatever accepts and lets wait: a proxy's queue, a listen backlog, a stopped process.
#
# Seen (ZMQ_HANDSHAKE_IVL of 5 s, to be brief):
#   libzmq 4.3.5, ZMQ_LINGER -1, ZMQ_HANDSHAKE_IVL 5000
#   DEALER, no message, then silence: ends at once
#   DEALER, a message, then silence: waits for the handshake
#   DEALER, a message, then refused: ends at once
#   REQ, no message, then silence: ends at once
#   REQ, a message, then silence: waits for the handshake
#   REQ, a message, then refused: ends at once
#
# Needs python3 with venv and the Python package index. Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q install --disable-pip-version-check pyzmq==27.1.0
cat >"$dir/run.py" <<'PYTHON'
import socket, sys, time, zmq

HANDSHAKE = 5000  # ms
kept = []  # connections, open
EXPECTED = {"no message, then silence": False, "a message, then silence": True, "a message, then refused": False}


def term_takes(kind, history):
    """How long the client's context takes to end, in seconds."""
    served = zmq.Context()
    worker = served.socket(zmq.ROUTER)
    worker.linger = 0
    port = worker.bind_to_random_port("tcp://127.0.0.1")
    context = zmq.Context()
    client = context.socket(kind)
    client.linger, client.handshake_ivl, client.reconnect_ivl = -1, HANDSHAKE, 50
    monitor = client.get_monitor_socket(zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_CONNECT_RETRIED)
    client.connect("tcp://127.0.0.1:%d" % port)
    await_event(monitor, zmq.EVENT_HANDSHAKE_SUCCEEDED)
    if history.startswith("a message"):
        client.send(b"question")
        worker.send_multipart(worker.recv_multipart()[:-1] + [b"answer"])
        client.recv()
    worker.close()
    served.term()
    silent = None
    if history.endswith("silence"):
        silent = socket.socket()
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", port))
        silent.listen()
        kept.append(silent.accept())  # and never a word
    await_event(monitor, zmq.EVENT_CONNECTED if silent else zmq.EVENT_CONNECT_RETRIED)
    client.disable_monitor()
    monitor.close()
    client.close()
    begin = time.monotonic()
    context.term()
    return time.monotonic() - begin


def await_event(monitor, wanted):
    while True:
        if not monitor.poll(10_000):
            sys.exit("no event %d within 10 s" % wanted)
        if int.from_bytes(monitor.recv_multipart()[0][:2], sys.byteorder) == wanted:
            return


print("libzmq %s, ZMQ_LINGER -1, ZMQ_HANDSHAKE_IVL %d" % (zmq.zmq_version(), HANDSHAKE))
differs = False
for kind in (zmq.DEALER, zmq.REQ):
    for history, waits in EXPECTED.items():
        took = term_takes(kind, history)
        waited = took > HANDSHAKE / 1000 / 2
        differs |= waited != waits
        print("%s, %s: %s" % (zmq.SocketType(kind).name, history, "waits for the handshake" if waited else "ends at once"))
sys.exit(differs)
PYTHON
"$dir/venv/bin/python" "$dir/run.py"
