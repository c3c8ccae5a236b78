#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tens of thousands of connections that stay open.

hold.py serve PORT                   sends back what it gets
hold.py open ADDRESS PORT SOURCE...  reads orders from standard input: "open N", "ask N", "close N"; each is answered by a line of JSON
One process may hold MOST of them, the server is as many as that takes."""
import json
import os
import resource
import select
import socket
import sys
import time

MOST = 15_000   # descriptors that a process gets without asking
SERVERS = 5
TOGETHER = 400  # connections that are being opened at one time
PATIENCE = 4    # seconds for each lot: a SYN that is lost is sent again after one, and after three


def raise_limit():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < MOST + 100:
        sys.exit(f"hold.py: {most} descriptors are too few")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server:
    def __init__(self, listener):
        self.listener = listener
        self.poll = select.epoll()
        self.poll.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self.held = {}

    def accept(self):
        try:
            while len(self.held) < MOST:
                peer, _ = self.listener.accept()
                peer.setblocking(False)
                self.held[peer.fileno()] = peer
                self.poll.register(peer, select.EPOLLIN)
            self.poll.unregister(self.listener)  # the others have room
        except BlockingIOError:
            pass

    def answer(self, number):
        peer = self.held[number]
        try:
            data = peer.recv(4096)
            if data:
                peer.send(data)
                return
        except OSError:
            pass
        self.poll.unregister(peer)
        del self.held[number]
        peer.close()
        if len(self.held) == MOST - 1:
            self.poll.register(self.listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def run(self, parent):
        """None outlives the one that was started."""
        while parent in (os.getpid(), os.getppid()):
            for number, _ in self.poll.poll(1):
                if number == self.listener.fileno():
                    self.accept()
                else:
                    self.answer(number)


def serve(port):
    listener = socket.create_server(("", port), backlog=4096)
    listener.setblocking(False)
    parent = os.getpid()
    for _ in range(SERVERS - 1):
        if not os.fork():
            break
    else:
        print("ready", flush=True)
    Server(listener).run(parent)


class Client:
    def __init__(self, address, port, sources):
        self.to = (address, port)
        self.sources = sources
        self.held = []
        self.begun = 0

    def begin(self):
        peer = socket.socket()
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: ports are chosen per destination
        peer.bind((self.sources[self.begun % len(self.sources)], 0))
        self.begun += 1
        peer.connect_ex(self.to)
        return peer

    def open(self, count):
        """In lots; those that do not come about in time are given up."""
        opened = 0
        while count > 0:
            lot = {peer.fileno(): peer for peer in (self.begin() for _ in range(min(count, TOGETHER)))}
            count -= len(lot)
            poll = select.epoll()
            for number in lot:
                poll.register(number, select.EPOLLOUT)
            until = time.monotonic() + PATIENCE
            while lot and time.monotonic() < until:
                for number, _ in poll.poll(0.2):
                    peer = lot.pop(number)
                    poll.unregister(number)
                    if peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        peer.close()
                    else:
                        self.held.append(peer)
                        opened += 1
            poll.close()
            for peer in lot.values():
                peer.close()
        return {"opened": opened, "held": len(self.held)}

    def ask(self, count):
        """Every so many of them is asked, from the oldest to the newest."""
        step = max(1, len(self.held) // max(count, 1))
        asked = self.held[::step]
        right = 0
        for number, peer in enumerate(asked):
            peer.settimeout(10)
            try:
                peer.send(b"%d\n" % number)
                right += peer.recv(100) == b"%d\n" % number
            except OSError:
                pass
            peer.setblocking(False)
        return {"asked": len(asked), "right": right}

    def close(self, count):
        for peer in self.held[:count]:
            peer.close()
        del self.held[:count]
        return {"held": len(self.held)}


def obey(client):
    for line in sys.stdin:
        verb, count = line.split()
        print(json.dumps(getattr(client, verb)(int(count))), flush=True)


if __name__ == "__main__":
    raise_limit()
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        obey(Client(sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
