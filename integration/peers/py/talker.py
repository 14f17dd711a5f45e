#!/usr/bin/env python3
"""A DEALER that stays: it talks for as long as its one connection lives, and says so when that has ended.

A client asks once a while, when its last question was answered; a worker returns every message as it is. Either may also
say its name to a control socket and keep its heartbeat there. Everything that happens is a JSON line.
"""
import argparse
import json
import os
import socket
import sys
import time

import zmq
from zmq.utils.monitor import recv_monitor_message


class Control:
    """Who this is, by the control socket: HELLO with every connection, HEARTBEAT once a while."""

    def __init__(self, context, options):
        self.words, self.every, self.due, self.request = options.hello, options.beat, None, None
        self.socket = context.socket(zmq.REQ)
        self.socket.linger, self.socket.req_relaxed, self.socket.req_correlate = 0, 1, 1  # a lost reply is not waited for
        self.socket.curve_serverkey = options.control_server.encode()
        self.socket.curve_publickey = options.control_public.encode()
        self.socket.curve_secretkey = options.control_secret.encode()
        self.socket.connect(options.control)

    def connected(self, descriptor):
        with socket.socket(fileno=os.dup(descriptor)) as own:
            endpoint = "%s:%d" % own.getsockname()[:2]
        self.say(["HELLO", *self.words, "endpoint=" + endpoint])

    def say(self, request):
        self.request, self.due = request, time.monotonic() + self.every
        try:
            self.socket.send_multipart([w.encode() for w in request], zmq.NOBLOCK)
        except zmq.Again:  # nobody is there; the next one may be heard
            pass

    def hear(self):
        reply = self.socket.recv_multipart()
        if reply[0] != b"200":
            sys.exit("%s: %s" % (self.request, reply))
        tell(self.request[0].lower())

    def tick(self, now):
        if self.due is not None and now >= self.due:
            self.say(["HEARTBEAT", self.words[1]])


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind", help="a worker that listens here")
    parser.add_argument("--connect", help="a client, or with --server-secret a worker that dials in")
    parser.add_argument("--mechanism", choices=["NULL", "CURVE"], default="NULL")
    parser.add_argument("--server-secret")
    parser.add_argument("--server-public")
    parser.add_argument("--client-public")
    parser.add_argument("--client-secret")
    parser.add_argument("--every", type=float, default=0, help="seconds between two questions")
    parser.add_argument("--push", type=float, default=0, help="seconds between two messages that nobody has asked for")
    parser.add_argument("--control")
    parser.add_argument("--control-server")
    parser.add_argument("--control-public")
    parser.add_argument("--control-secret")
    parser.add_argument("--hello", nargs=2, help="client NAME or worker NAME")
    parser.add_argument("--beat", type=float, default=1)
    return parser.parse_args()


def main():
    options = parse()
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger, dealer.immediate, dealer.reconnect_ivl = 0, True, -1
    if options.server_secret:
        dealer.curve_server, dealer.curve_secretkey = True, options.server_secret.encode()
    elif options.mechanism == "CURVE":
        dealer.curve_serverkey = options.server_public.encode()
        dealer.curve_publickey = options.client_public.encode()
        dealer.curve_secretkey = options.client_secret.encode()
    monitor = dealer.get_monitor_socket(zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED)
    control = Control(context, options) if options.control else None
    poller = zmq.Poller()
    for s in [dealer, monitor] + ([control.socket] if control else []):
        poller.register(s, zmq.POLLIN)
    if options.bind:
        dealer.bind(options.bind)
    else:
        dealer.connect(options.connect)
    tell("ready", endpoint=dealer.last_endpoint.decode())
    begun, asked, answered, ask_at, push_at = False, 0, 0, 0, 0
    while True:
        for s in dict(poller.poll(20)):
            if s is monitor:
                event = recv_monitor_message(monitor)
                if event["event"] == zmq.EVENT_DISCONNECTED:
                    tell("closed")
                elif control:
                    control.connected(event["value"])
            elif s is dealer:
                m, begun = dealer.recv_multipart(), True
                if m == [b"push"]:
                    tell("pushed")
                elif options.connect and not options.server_secret:
                    answered += m == [b"%d" % asked]
                    tell("answer")
                else:
                    dealer.send_multipart(m)
            else:
                control.hear()
        now = time.monotonic()
        try:
            if options.every and answered == asked and now >= ask_at:
                dealer.send_multipart([b"%d" % (asked + 1)], zmq.NOBLOCK)
                asked, ask_at = asked + 1, now + options.every
            if options.push and begun and now >= push_at:
                dealer.send_multipart([b"push"], zmq.NOBLOCK)
                push_at = now + options.push
        except zmq.Again:  # there is no connection (any more)
            pass
        if control:
            control.tick(now)


main()
