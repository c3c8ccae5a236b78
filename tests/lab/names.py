#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""A name server for tests: names.py ADDRESS PORT FILE. It answers each question as the JSON in FILE says, which is read anew for each:
{"a": [...], "aaaa": [...], "how": "answers" | "nxdomain" | "servfail" | "silence" | "garbage" | "cut" | "other"}.

cut: over UDP nothing but the mark that the answer is too long; other: an answer to another question. TCP is served as well."""

import ipaddress
import json
import pathlib
import socket
import struct
import sys
import threading

A, AAAA = 1, 28


def read_question(query):
    """(its bytes, its type) of the only question."""
    at = 12
    while query[at]:
        at += 1 + query[at]
    return query[12:at + 5], struct.unpack("!H", query[at + 1:at + 3])[0]


def answer(query, said, tcp):
    question, kind = read_question(query)
    how = said.get("how", "answers")
    addresses = said.get("a" if kind == A else "aaaa" if kind == AAAA else "", [])
    flags, rcode = 0x8180, {"nxdomain": 3, "servfail": 2}.get(how, 0)
    if how == "silence":
        return None
    if how == "garbage":
        return query[:2] + b"\xff" * 40
    if how == "other":
        question = b"\x05other\x04test\x00" + question[-4:]
    if rcode or (how == "cut" and not tcp):
        addresses = []
        flags |= 0 if rcode else 0x0200
    text = query[:2] + struct.pack("!HHHHH", flags | rcode, 1, len(addresses), 0, 0) + question
    for address in addresses:
        packed = ipaddress.ip_address(address).packed
        text += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 5, len(packed)) + packed
    if len(text) > 512 and not tcp:
        return query[:2] + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + question
    return text


def serve_tcp(listener, path):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                while head := connection.recv(2, socket.MSG_WAITALL):
                    text = answer(connection.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL), json.loads(path.read_text()), True)
                    if text is not None:
                        connection.sendall(struct.pack("!H", len(text)) + text)
            except (OSError, struct.error):
                pass


def main():
    address, port, path = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    datagrams, listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    datagrams.bind((address, port))
    listener.bind((address, port))
    listener.listen()
    threading.Thread(target=serve_tcp, args=(listener, path), daemon=True).start()
    while True:
        query, client = datagrams.recvfrom(4096)
        text = answer(query, json.loads(path.read_text()), False)
        if text is not None:
            datagrams.sendto(text, client)


main()
