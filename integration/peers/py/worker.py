#!/usr/bin/env python3
"""A worker of one kind that returns every message as it is, until its standard input ends.

It prints a JSON line when it listens or has connected, and one with what it has served when it ends. A PULL returns
nothing, and says so when it has the message "end"; a PUB sends by itself.
"""
import argparse
import hashlib
import importlib
import json
import os
import select
import sys

zmq = importlib.import_module(os.environ.get("PEER_LIBRARY", "zmq"))  # or pyomq, which has the same API


def blob(number, size):
    """Bytes that depend on the message, so that a mix-up shows."""
    block = hashlib.sha256(str(number).encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def secure(socket, options):
    if options.mechanism == "PLAIN":
        socket.plain_server = True
    elif options.mechanism == "CURVE":
        socket.curve_server = True
        if zmq.__name__ == "pyomq":  # libzmq finds it from the secret key
            socket.curve_publickey = options.server_public.encode()
        socket.curve_secretkey = options.server_secret.encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=["REP", "ROUTER", "DEALER", "PULL", "PUB"], required=True)
    parser.add_argument("--mechanism", choices=["NULL", "PLAIN", "CURVE"], default="NULL")
    parser.add_argument("--server-public")
    parser.add_argument("--server-secret")
    parser.add_argument("--bind", help="listen here")
    parser.add_argument("--connect", help="dial in here")
    parser.add_argument("--slots", type=int, default=1, help="how many times to dial in")
    parser.add_argument("--heartbeat", type=int, help="milliseconds between two; 20 of them without a word end the connection")
    options = parser.parse_args()

    context = zmq.Context()
    socket = context.socket(getattr(zmq, options.kind))
    socket.linger = 0
    secure(socket, options)
    if options.heartbeat:
        socket.heartbeat_ivl, socket.heartbeat_timeout = options.heartbeat, 20 * options.heartbeat
    authenticator = None
    if options.mechanism == "PLAIN" and zmq.__name__ == "pyomq":  # it asks nobody
        socket.set_plain_auth([("user", "pass")])
    elif options.mechanism == "PLAIN":  # libzmq lets nobody in while there is nobody to ask
        from zmq.auth.thread import ThreadAuthenticator

        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_plain(domain="*", passwords={"user": "pass"})
    if options.bind:
        socket.bind(options.bind)
        print(json.dumps({"event": "ready", "endpoint": socket.last_endpoint.decode()}), flush=True)
    else:
        # A pipe that outlives its connection would carry one client's late replies to the next.
        socket.immediate = True
        for _ in range(options.slots):
            socket.connect(options.connect)
        print(json.dumps({"event": "ready", "endpoint": options.connect}), flush=True)

    socket.rcvtimeo = 20  # pyomq's poller takes no standard input
    messages, identities, digest = 0, set(), hashlib.sha256()
    while not select.select([sys.stdin], [], [], 0.005 if options.kind == "PUB" else 0)[0]:
        if options.kind == "PUB":
            socket.send_multipart([b"%d" % messages, blob(messages, 1000)])
            messages += 1
            continue
        try:
            frames = socket.recv_multipart()
        except zmq.Again:
            continue
        if options.kind == "ROUTER":
            identities.add(frames[0].decode("latin-1"))
        if options.kind == "PULL":
            for frame in frames:
                digest.update(b"%d:" % len(frame) + frame)
            if frames[0] == b"end":
                print(json.dumps({"event": "pulled"}), flush=True)
        else:
            socket.send_multipart(frames)
        messages += 1
    socket.close()
    if authenticator:
        authenticator.stop()
    context.term()
    print(json.dumps({"event": "done", "messages": messages, "identities": sorted(identities),
                      "digest": digest.hexdigest()}), flush=True)


main()
