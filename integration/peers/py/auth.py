#!/usr/bin/env python3
"""A REP worker with pyzmq's authenticator, which is told of one address: auth.py allow|deny ADDRESS SECRET. It echoes until
its standard input ends."""
import json
import sys

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator


def main():
    verb, address, secret = sys.argv[1:]
    ctx = zmq.Context()
    auth = ThreadAuthenticator(ctx)
    auth.start()
    getattr(auth, verb)(address)
    auth.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)

    worker = ctx.socket(zmq.REP)
    worker.curve_server = True
    worker.curve_secretkey = secret.encode()
    worker.bind("tcp://127.0.0.1:*")
    print(json.dumps({"event": "listening", "endpoint": worker.last_endpoint.decode()}), flush=True)

    poller = zmq.Poller()
    poller.register(worker, zmq.POLLIN)
    poller.register(sys.stdin, zmq.POLLIN)
    while sys.stdin.fileno() not in (ready := dict(poller.poll())):
        if worker in ready:
            worker.send_multipart(worker.recv_multipart())
    auth.stop()
    ctx.destroy(linger=0)


main()
