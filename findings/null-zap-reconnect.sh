#!/usr/bin/env bash
# A libzmq socket that connects, speaks NULL and has a ZAP handler stops reconnecting after a few clients that the
# handler refused. With PLAIN and CURVE it comes back after each.
#
# Versions: pyzmq 27.1.0 with libzmq 4.3.5 (the same with Debian 12's libzmq 4.3.4).
# Why: both sides of NULL send READY without waiting. The refusing side sends ERROR in its place; when the other's READY
# arrives behind that, null_mechanism_t::status is `error`, which the engine reports as a protocol error, and after one
# of these session_base_t::engine_error does not reconnect. Without that READY, the connection just ends.
# Matters where a worker dials out to a broker or relay and judges who comes: each stranger may cost it its connection.
#
# Seen:
#   libzmq 4.3.5, a ZAP handler that answers 400 to everybody, 30 clients one after another
#   NULL : the socket stayed away after 3 of 30
#   PLAIN: the socket came back 30 times
#   CURVE: the socket came back 30 times
#
# Needs python3 with venv and the Python package index. Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q install --disable-pip-version-check pyzmq==27.1.0
cat >"$dir/run.py" <<'PYTHON'
import socket, sys, threading, zmq

CLIENTS = 30


def refuse(handler, over):
    while not over.is_set():
        if handler.poll(50):
            request = handler.recv_multipart()
            handler.send_multipart([b"1.0", request[1], b"400", b"no", b"", b""])


def pump(source, target, ended):
    try:
        while data := source.recv(4096):
            target.sendall(data)
    except OSError:
        pass
    ended.set()


def one_client(worker, mechanism, server_key):
    """Puts a client at the other end of the worker's connection until one of them ends it."""
    front = socket.create_server(("127.0.0.1", 0))
    context = zmq.Context()
    client = context.socket(zmq.DEALER)
    client.linger = 0
    client.reconnect_ivl = -1
    if mechanism == "PLAIN":
        client.plain_username, client.plain_password = b"user", b"password"
    if mechanism == "CURVE":
        client.curve_publickey, client.curve_secretkey = zmq.curve_keypair()
        client.curve_serverkey = server_key
    client.connect("tcp://127.0.0.1:%d" % front.getsockname()[1])
    peer, _ = front.accept()
    ended = threading.Event()
    pumps = [threading.Thread(target=pump, args=(a, b, ended)) for a, b in ((worker, peer), (peer, worker))]
    for p in pumps:
        p.start()
    ended.wait(5)
    for s in (worker, peer):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    for p in pumps:
        p.join()
    for s in (worker, peer, front):
        s.close()
    client.close()
    context.term()


def run(mechanism):
    context = zmq.Context()
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")
    over = threading.Event()
    thread = threading.Thread(target=refuse, args=(handler, over))
    thread.start()
    socket_ = context.socket(zmq.ROUTER)
    socket_.linger = handler.linger = 0
    socket_.zap_domain = b"domain"
    socket_.reconnect_ivl = 20
    server_key, secret = zmq.curve_keypair()
    if mechanism == "PLAIN":
        socket_.plain_server = True
    if mechanism == "CURVE":
        socket_.curve_secretkey, socket_.curve_server = secret, True
    back = socket.create_server(("127.0.0.1", 0))
    back.settimeout(3)
    socket_.connect("tcp://127.0.0.1:%d" % back.getsockname()[1])
    refused = 0
    try:
        while refused < CLIENTS:
            worker, _ = back.accept()
            one_client(worker, mechanism, server_key)
            refused += 1
        back.accept()[0].close()
        away = False
    except TimeoutError:
        away = True
    over.set()
    thread.join()
    for s in (socket_, handler, back):
        s.close()
    context.term()
    print("%-5s: the socket %s" % (mechanism, "stayed away after %d of %d" % (refused, CLIENTS) if away else "came back %d times" % CLIENTS), flush=True)
    return away


print("libzmq %s, a ZAP handler that answers 400 to everybody, %d clients one after another" % (zmq.zmq_version(), CLIENTS))
same = [run(m) for m in ("NULL", "PLAIN", "CURVE")] == [True, False, False]
print("as described" if same else "NOT as described")
sys.exit(0 if same else 1)
PYTHON
timeout 150 "$dir/venv/bin/python" "$dir/run.py"
