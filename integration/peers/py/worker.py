#!/usr/bin/env python3
"""A worker of one kind that returns every message as it is, until its standard input ends.

It prints a JSON line when it listens or has connected, and one with what it has served when it ends.
"""
import argparse
import json
import sys

import zmq
from zmq.auth.thread import ThreadAuthenticator


def secure(socket, options):
    if options.mechanism == "PLAIN":
        socket.plain_server = True
    elif options.mechanism == "CURVE":
        socket.curve_server = True
        socket.curve_secretkey = options.server_secret.encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=["REP", "ROUTER", "DEALER"], required=True)
    parser.add_argument("--mechanism", choices=["NULL", "PLAIN", "CURVE"], default="NULL")
    parser.add_argument("--server-secret")
    parser.add_argument("--bind", help="listen here")
    parser.add_argument("--connect", help="dial in here")
    parser.add_argument("--slots", type=int, default=1, help="how many times to dial in")
    options = parser.parse_args()

    context = zmq.Context()
    socket = context.socket(getattr(zmq, options.kind))
    socket.linger = 0
    secure(socket, options)
    authenticator = None
    if options.mechanism == "PLAIN":  # libzmq lets nobody in while there is nobody to ask
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

    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(sys.stdin, zmq.POLLIN)
    messages, identities = 0, set()
    while True:
        events = dict(poller.poll())
        if socket in events:
            frames = socket.recv_multipart()
            if options.kind == "ROUTER":
                identities.add(frames[0].decode("latin-1"))
            socket.send_multipart(frames)
            messages += 1
        elif events and not sys.stdin.buffer.read(1):
            break
    socket.close()
    if authenticator:
        authenticator.stop()
    context.term()
    print(json.dumps({"event": "done", "messages": messages, "identities": sorted(identities)}), flush=True)


main()
