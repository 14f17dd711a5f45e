#!/usr/bin/python3
# A successor of the proxy that is killed in the middle: it says and hears what package
# stream/handover has up to STEP, and no more. Tests put it at the proxy's own path.
import array, json, os, signal, socket, struct, sys

STEP = "hello"
s = socket.socket(fileno=int(os.environ["STREAMQ_PROXY_HANDOVER"]))


def reach(step):
    if step == STEP:
        os.kill(os.getpid(), signal.SIGKILL)


def say(kind, body=None):
    text = json.dumps(body).encode()
    s.sendall(bytes([len(kind)]) + kind.encode() + struct.pack(">III", len(text), 0, 0) + text)
    reach(kind)


def exactly(n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            sys.exit("the proxy hung up")
        got += more
    return got


def hear(kind):
    name = exactly(exactly(1)[0]).decode()
    text, blob, rights = struct.unpack(">III", exactly(12))
    exactly(text // 2)
    if rights == 0:
        reach("half " + kind)
    exactly(text - text // 2)
    exactly(blob)
    half = rights // 2
    while rights > 0:
        _, fds, _, _ = socket.recv_fds(s, 1, 250)
        rights -= len(fds)
        if rights <= half:
            reach("half " + kind)
    if name != kind:
        sys.exit("%s in place of %s" % (name, kind))
    reach(kind)


reach("start")
say("hello", {"Format": 1, "Version": "killed"})
hear("offer")
say("opened")
hear("pool")
say("ready")
hear("motion")
