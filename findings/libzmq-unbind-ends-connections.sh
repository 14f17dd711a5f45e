#!/usr/bin/env bash
# zmq_unbind of a TCP endpoint ends the connections that were accepted there. In the socket API of the kernel, closing a
# listener leaves what it accepted alone, and so one expects of a server that it stops taking clients and serves those it has.
#
# Versions: pyzmq 27.1.0 with libzmq 4.3.5.
# Matters to whoever drains a server: unbinding first cuts the very clients that it wanted to finish with.
#
# Seen:
#   libzmq 4.3.5
#   a kernel socket, its listener closed: the client stays
#   ROUTER, unbound: the client is cut
#   REP, unbound: the client is cut
#   PULL, unbound: the client is cut
#   ROUTER, still bound: the client stays
#
# Needs python3 with venv and the Python package index. Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q install --disable-pip-version-check pyzmq==27.1.0
cat >"$dir/run.py" <<'PYTHON'
import socket, sys, zmq

GREETING = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00NULL" + bytes(48)  # ZMTP 3.0, NULL, client
STAYS = 1  # seconds without an end: the client was left alone


def is_cut(client):
    """Whether the server ends the client's connection within STAYS; what it says until then is read over."""
    client.settimeout(STAYS)
    try:
        while client.recv(4096):
            pass
        return True
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def by_kernel():
    listener = socket.create_server(("127.0.0.1", 0))
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0]:
        listener.close()
        return is_cut(client)


def by_libzmq(kind, unbind):
    with zmq.Context() as context, context.socket(kind) as server:
        server.linger = 0
        monitor = server.get_monitor_socket(zmq.EVENT_ACCEPTED)
        port = server.bind_to_random_port("tcp://127.0.0.1")
        with socket.create_connection(("127.0.0.1", port)) as client:
            if not monitor.poll(10_000):
                sys.exit("not accepted within 10 s")
            client.sendall(GREETING)
            if is_cut(client):
                sys.exit("%s: cut before anything was unbound" % zmq.SocketType(kind).name)
            if unbind:
                server.unbind("tcp://127.0.0.1:%d" % port)
            cut = is_cut(client)
        server.disable_monitor()
        monitor.close()
        return cut


print("libzmq", zmq.zmq_version())
same = True
cases = [("a kernel socket, its listener closed", by_kernel, False)]
for kind in (zmq.ROUTER, zmq.REP, zmq.PULL):
    cases.append((zmq.SocketType(kind).name + ", unbound", lambda kind=kind: by_libzmq(kind, True), True))
cases.append(("ROUTER, still bound", lambda: by_libzmq(zmq.ROUTER, False), False))
for name, run, expected in cases:
    cut = run()
    same &= cut == expected
    print("%s: the client %s" % (name, "is cut" if cut else "stays"), flush=True)
print("as described" if same else "NOT as described")
sys.exit(0 if same else 1)
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/run.py"
