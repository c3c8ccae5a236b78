#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""A server and a client whose TCP goes wrong, or is slow, as it is told.

    talk.py serve PORT            what a connection says first is what becomes of it, once a line:
        wait MS                   an answer after so many milliseconds
        close                     an answer, and the server closes first
        reset                     a reset instead of an answer
        silence                   nothing
        forget                    an answer, and then the server's kernel forgets the connection without a word
      Standard output: the peer of each connection, a line each.
    talk.py spoof SOURCE PORT ADDRESS PORT [--count N]
      SYNs, FINs and resets, in this order, of somebody who knows a connection's addresses and ports, and guesses its numbers.
    talk.py ask ADDRESS PORT --line LINE [--source A]... [--port N] [--count N] [--repeat N] [--timeout S] [--forget]
      Opens connections one after the other, from each source in turn, and asks the line --repeat times on each.
      --forget: at its end the client's kernel forgets the connection without a word.
      Standard output: {"ok": N, "refused": N, "reset": N, "timeout": N, "slowest": seconds until one was open}
"""

import argparse
import contextlib
import json
import random
import socket
import struct
import sys
import threading
import time

TCP_REPAIR = 19  # linux/tcp.h


def forget(connection):
    """Closes without a FIN and without a reset."""
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    connection.close()


def lines(connection):
    rest = b""
    while True:
        while b"\n" in rest:
            line, rest = rest.split(b"\n", 1)
            yield line.decode().split()
        more = connection.recv(4096)
        if not more:
            return
        rest += more


def answer_all(connection):
    with connection, contextlib.suppress(ConnectionResetError):
        for word, *rest in lines(connection):
            if word == "silence":
                continue
            if word == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if word == "wait":
                time.sleep(float(rest[0]) / 1000)
            connection.sendall(b"here\n")
            if word == "close":
                return
            if word == "forget":
                time.sleep(0.1)  # until what was sent is acknowledged
                forget(connection)
                return


def serve(options):
    listener = socket.create_server(("", options.port), backlog=4096)
    while True:
        connection, peer = listener.accept()
        print(f"{peer[0]}:{peer[1]}", flush=True)
        threading.Thread(target=answer_all, args=(connection,), daemon=True).start()


def segment(source, source_port, address, port, flags):
    """A TCP segment without data; numbers at random."""
    ends = socket.inet_aton(source) + socket.inet_aton(address)
    head = struct.pack("!HHIIBBHHH", source_port, port, random.getrandbits(32), random.getrandbits(32), 5 << 4, flags, 1000, 0, 0)
    words = struct.unpack("!16H", ends + struct.pack("!HH", socket.IPPROTO_TCP, len(head)) + head)
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return head[:16] + struct.pack("!H", ~total & 0xffff) + head[18:]


def spoof(options):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for n in range(options.count):
            flags = (0x02, 0x11, 0x14, 0x04)[n * 4 // options.count]  # SYN, FIN ACK, RST ACK, RST
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, socket.IPPROTO_TCP, 0, socket.inet_aton(options.source),
                             socket.inet_aton(options.address))
            raw.sendto(ip + segment(options.source, options.port_from, options.address, options.port, flags), (options.address, 0))


def talk(options, source, result):
    """One connection: which of the results it counts as."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.settimeout(options.timeout)
        connection.bind((source, options.port_from))
        try:
            began = time.monotonic()
            connection.connect((options.address, options.port))
            result["slowest"] = max(result["slowest"], time.monotonic() - began)
            for _ in range(options.repeat):
                connection.sendall(options.line.encode() + b"\n")
                if connection.recv(100) != b"here\n":
                    return "reset"
            if options.line == "close":
                connection.recv(1)
            if options.forget:
                time.sleep(0.2)
                forget(connection)
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "timeout"
    return "ok"


def ask(options):
    result = {"ok": 0, "refused": 0, "reset": 0, "timeout": 0, "slowest": 0.0}
    for n in range(options.count):
        result[talk(options, options.source[n % len(options.source)], result)] += 1
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("serve")
    verb.add_argument("port", type=int)
    verb.set_defaults(run=serve)
    verb = verbs.add_parser("spoof")
    verb.add_argument("source")
    verb.add_argument("port_from", type=int)
    verb.add_argument("address")
    verb.add_argument("port", type=int)
    verb.add_argument("--count", type=int, default=200)
    verb.set_defaults(run=spoof)
    verb = verbs.add_parser("ask")
    verb.add_argument("address")
    verb.add_argument("port", type=int)
    verb.add_argument("--line", required=True)
    verb.add_argument("--source", action="append")
    verb.add_argument("--port", dest="port_from", type=int, default=0)
    verb.add_argument("--count", type=int, default=1)
    verb.add_argument("--repeat", type=int, default=1)
    verb.add_argument("--timeout", type=float, default=10)
    verb.add_argument("--forget", action="store_true")
    verb.set_defaults(run=ask)
    options = parser.parse_args()
    if options.run is ask and not options.source:
        options.source = [""]
    options.run(options)


if __name__ == "__main__":
    sys.exit(main())
