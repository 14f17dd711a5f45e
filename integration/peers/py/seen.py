#!/usr/bin/env python3
"""A REP worker that replies with the address by which it sees who asks: seen.py ENDPOINT. It serves until its standard input ends."""
import json
import sys

import zmq

worker = zmq.Context().socket(zmq.REP)
worker.linger = 0
worker.ipv6 = True
worker.bind(sys.argv[1])
print(json.dumps({"event": "listening", "endpoint": worker.last_endpoint.decode()}), flush=True)

poller = zmq.Poller()
poller.register(worker, zmq.POLLIN)
poller.register(sys.stdin, zmq.POLLIN)
while sys.stdin.fileno() not in (ready := dict(poller.poll())):
    if worker in ready:
        worker.send_string(worker.recv(copy=False)["Peer-Address"])
