#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Connections of mixed fate, and what both their ends log of them.

    ends.py serve PORT...          TCP servers; what becomes of a connection its first line says (see FATES)
    ends.py count INTERFACE        counts what passes, until standard input ends; then one object:
        {"lost": packets that the kernel did not hand over, "seen": {"proto|source|port|destination|port": [packets, bytes of IP packets, resets]}}
    ends.py go ADDRESS PORT FIRST FATE COUNT
      COUNT connections one after the other, from ports FIRST on, each of this fate, with some hundred bytes each way. One in REST_EACH rests for
      some seconds once it is open, while others are made.
      hold: opens all, says "open", waits for a line, then says one byte more on each, and is reset.
      Standard output: {"done": N, "wrong": [...], "log": {"port": what this program knows of it, by its own clock and its own counting}}, of each
        begun, connected    its first packet left between these times, in seconds since 1970
        closing, closed     and the last one that was not dropped between these
        sent, got           bytes of the application's
        resent              packets that its kernel has sent again
"""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import random
import socket
import struct
import sys
import threading
import time

# client, server: who closes first; datagram: nobody answers it; half-open: a SYN whose answer the client's kernel resets
FATES = ("client", "server", "client-reset", "server-reset", "hold", "datagram", "half-open")
LINGER = struct.pack("ii", 1, 0)  # close() is a reset
SOL_PACKET, PACKET_STATISTICS = 263, 6
TCP_INFO_ROOM, TOTAL_RETRANS = 104, 100
REST_EACH, REST_MOST, REST_AT_ONCE = 10, 6, 64


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


# ---- servers -------------------------------------------------------------------------------------------------------------------------


def answer(connection):
    with connection, contextlib.suppress(ConnectionResetError, EOFError):
        fate, asked, wanted = read_exactly(connection, 32).decode().split()
        read_exactly(connection, int(asked))
        if fate == "server-reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            return
        connection.sendall(b"x" * int(wanted))
        if fate != "server":
            while connection.recv(4096):
                pass


def serve_on(listener):
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def serve(options):
    for port in options.ports:
        listener = socket.create_server(("::", port), family=socket.AF_INET6, backlog=4096, dualstack_ipv6=True)
        threading.Thread(target=serve_on, args=(listener,), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


# ---- what passes ---------------------------------------------------------------------------------------------------------------------


def parse(packet):
    """(proto, source, port, destination, port), bytes, RST; None: neither TCP nor UDP."""
    if packet[0] >> 4 == 4:
        header, size, proto = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big"), packet[9]
        source, destination = socket.inet_ntop(socket.AF_INET, packet[12:16]), socket.inet_ntop(socket.AF_INET, packet[16:20])
    else:
        header, size, proto = 40, int.from_bytes(packet[4:6], "big") + 40, packet[6]
        source, destination = socket.inet_ntop(socket.AF_INET6, packet[8:24]), socket.inet_ntop(socket.AF_INET6, packet[24:40])
    if proto not in (6, 17) or len(packet) < header + 8:
        return None
    ports = struct.unpack("!HH", packet[header:header + 4])
    return (proto, source, ports[0], destination, ports[1]), size, proto == 6 and packet[header + 13] & 4 != 0


def count(options):
    seen = collections.defaultdict(lambda: [0, 0, 0])
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    listener.setsockopt(socket.SOL_SOCKET, 33, 1 << 28)  # SO_RCVBUFFORCE
    listener.bind((options.interface, 3))
    listener.settimeout(0.2)
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    print("ready", flush=True)
    while True:
        try:
            packet, (_, protocol, *_) = listener.recvfrom(80)
        except TimeoutError:
            if over.is_set():
                break
            continue
        what = parse(packet) if protocol in (0x0800, 0x86dd) else None
        if what:
            entry = seen["|".join(map(str, what[0]))]
            entry[0] += 1
            entry[1] += what[1]
            entry[2] += what[2]
    lost = struct.unpack("II", listener.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
    print(json.dumps({"lost": lost, "seen": seen}))


# ---- clients -------------------------------------------------------------------------------------------------------------------------


class Log:
    """Of one connection. What never came about ends when that is known, and may have sent its last packet at any time before."""

    def __init__(self):
        self.told = {"begun": time.time(), "sent": 0, "got": 0, "resent": 0}

    def note(self, what):
        self.told[what] = time.time()

    def end(self):
        closed = self.told.setdefault("closed", time.time())
        self.told.setdefault("connected", closed)
        self.told.setdefault("closing", self.told["begun"])


def open_one(family, address, port, own):
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(10)
    connection.bind(("", own))
    connection.connect((address, port))
    return connection


def say(connection, fate, log):
    asked, wanted = random.randint(1, 900), random.randint(1, 1000)
    connection.sendall(f"{fate} {asked} {wanted}".ljust(32).encode() + b"x" * asked)
    log.told["sent"] += 32 + asked
    return wanted


def hear(connection, wanted, log):
    log.told["got"] += len(read_exactly(connection, wanted))
    log.told["resent"] = struct.unpack_from("I", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_ROOM), TOTAL_RETRANS)[0]


def one_datagram(family, address, port, own, log):
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind(("", own))
        log.told["sent"] = sender.sendto(b"x" * random.randint(1, 1000), (address, port))


def one(family, address, port, own, fate, rest, log):
    with open_one(family, address, port, own) as connection:
        log.note("connected")
        time.sleep(rest)
        log.note("closing")
        wanted = say(connection, fate, log)
        if fate == "server-reset":
            with contextlib.suppress(ConnectionResetError):
                connection.recv(1)
                raise RuntimeError("no reset")
            return
        hear(connection, wanted, log)
        if fate == "server" and connection.recv(1):
            raise RuntimeError("no end")
        if fate == "client-reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        log.note("closing")
        if fate == "client":
            connection.shutdown(socket.SHUT_WR)
            if connection.recv(1):
                raise RuntimeError("more than was asked for")


def syn(address, port, own):
    """A SYN that no socket has sent: this host's kernel resets what answers it."""
    ports = struct.pack("!HH", own, port)
    segment = ports + struct.pack("!IIBBHHH", random.getrandbits(32), 0, 5 << 4, 2, 1024, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((address, port))
        source = route.getsockname()[0]
    total = socket.inet_aton(source) + socket.inet_aton(address) + struct.pack("!HH", 6, len(segment)) + segment
    checksum = sum(struct.unpack(f"!{len(total) // 2}H", total))
    while checksum >> 16:
        checksum = (checksum & 0xffff) + (checksum >> 16)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.sendto(segment[:16] + struct.pack("!H", ~checksum & 0xffff) + segment[18:], (address, 0))


def hold(family, options, wrong, logs):
    held = []
    for i in range(options.count):
        log = logs[options.first + i] = Log()
        connection = open_one(family, options.address, options.port, options.first + i)
        log.note("connected")
        log.note("closing")
        hear(connection, say(connection, "hold", log), log)
        log.end()  # whatever comes later is dropped
        held.append(connection)
    print("open", flush=True)
    sys.stdin.readline()
    for connection in held:
        try:
            connection.sendall(b"x")
            connection.recv(1)
            wrong.append("not reset")
        except ConnectionResetError:
            pass
        except OSError as error:
            wrong.append(repr(error))
        connection.close()


def make(family, options, own, rest, wrong, logs):
    log = logs[own] = Log()
    try:
        if options.fate == "half-open":
            syn(options.address, options.port, own)
        elif options.fate == "datagram":
            one_datagram(family, options.address, options.port, own, log)
        else:
            one(family, options.address, options.port, own, options.fate, rest, log)
    except (OSError, EOFError, RuntimeError) as error:
        wrong.append(repr(error))
    log.end()


def make_all(family, options, wrong, logs):
    with concurrent.futures.ThreadPoolExecutor(REST_AT_ONCE) as resting:
        for i in range(options.count):
            words = (family, options, options.first + i, 0 if i % REST_EACH else random.uniform(0, REST_MOST), wrong, logs)
            if i % REST_EACH:
                make(*words)
            else:
                resting.submit(make, *words)


def go(options):
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    wrong, logs = [], {}
    if options.fate == "hold":
        hold(family, options, wrong, logs)
    else:
        make_all(family, options, wrong, logs)
    print(json.dumps({"done": options.count, "wrong": wrong[:5], "log": {port: log.told for port, log in logs.items()}}))


def main():
    parser = argparse.ArgumentParser()
    words = parser.add_subparsers(required=True)
    serving = words.add_parser("serve")
    serving.add_argument("ports", type=int, nargs="+")
    serving.set_defaults(run=serve)
    counting = words.add_parser("count")
    counting.add_argument("interface")
    counting.set_defaults(run=count)
    going = words.add_parser("go")
    going.add_argument("address")
    going.add_argument("port", type=int)
    going.add_argument("first", type=int)
    going.add_argument("fate", choices=FATES)
    going.add_argument("count", type=int)
    going.set_defaults(run=go)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
