#!/usr/bin/env python3
"""A client of one kind: sends its requests, checks each reply, prints one JSON line with what came of it.

Request number i is [IDENTITY, i] or, when it is multipart, [IDENTITY, i, "", BLOB]; a worker returns it as it is.
--at-once requests are under way at a time (a round); the first of each round is multipart. A PUSH sends the same and
waits for its standard input to end; a SUB takes as many messages of a worker's PUB.
"""
import argparse
import hashlib
import importlib
import json
import os
import sys

zmq = importlib.import_module(os.environ.get("PEER_LIBRARY", "zmq"))  # or pyomq, which has the same API


def blob(number, size):
    """Bytes that depend on the request, so that a mix-up shows."""
    block = hashlib.sha256(str(number).encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def secure(socket, options):
    if options.mechanism == "PLAIN":
        socket.plain_username = b"user"
        socket.plain_password = b"pass"
    elif options.mechanism == "CURVE":
        socket.curve_serverkey = options.server_public.encode()
        socket.curve_publickey = options.client_public.encode()
        socket.curve_secretkey = options.client_secret.encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=["REQ", "DEALER", "PUSH", "SUB"], required=True)
    parser.add_argument("--to", choices=["REP", "ROUTER", "DEALER", "PULL", "PUB"], required=True)
    parser.add_argument("--mechanism", choices=["NULL", "PLAIN", "CURVE"], default="NULL")
    parser.add_argument("--server-public")
    parser.add_argument("--client-public")
    parser.add_argument("--client-secret")
    parser.add_argument("--connect", required=True)
    parser.add_argument("--identity", required=True)
    parser.add_argument("--requests", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--heartbeat", type=int, help="milliseconds between two; 20 of them without a word end the connection")
    options = parser.parse_args()

    context = zmq.Context()
    socket = context.socket(getattr(zmq, options.kind))
    socket.linger = 30000 if options.kind == "PUSH" else 0
    socket.rcvtimeo = socket.sndtimeo = 30000
    socket.identity = options.identity.encode()
    secure(socket, options)
    if options.heartbeat:
        socket.heartbeat_ivl, socket.heartbeat_timeout = options.heartbeat, 20 * options.heartbeat
    socket.connect(options.connect)

    envelope = [b""] if options.kind == "DEALER" and options.to == "REP" else []
    at_once = 1 if options.kind == "REQ" else options.at_once
    digest = hashlib.sha256()
    received = wrong = 0
    if options.kind == "SUB":
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        for received in range(1, options.requests + 1):
            number, got = socket.recv_multipart()
            wrong += got != blob(int(number), options.size)
        options.requests = 0
    for start in range(0, options.requests, at_once):
        batch = []
        for number in range(start, min(start + at_once, options.requests)):
            frames = envelope + [options.identity.encode(), str(number).encode()]
            if number == start:
                frames += [b"", blob(number, options.size)]
            socket.send_multipart(frames)
            batch.append(frames)
        for frames in batch:
            reply = frames if options.kind == "PUSH" else socket.recv_multipart()
            received += 1
            wrong += reply != frames
            for frame in reply:
                digest.update(b"%d:" % len(frame) + frame)
    if options.kind == "PUSH":
        sys.stdin.read()
    socket.close()
    context.term()
    print(json.dumps({"event": "done", "received": received, "wrong": wrong, "digest": digest.hexdigest()}), flush=True)
    return 1 if wrong else 0


sys.exit(main())
