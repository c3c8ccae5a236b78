#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A daemon of recorded answers: speaks daemon/protocol.h on a unix socket, for tests of the command.

usage: fake_daemon.py SOCKET ANSWERS LOG

ANSWERS is a JSON object {VERB: ANSWER} or {"show WHAT": ANSWER}. An ANSWER has
  frame   the object to send, or a string to send as it is, or null to close the connection without a word
  body    sent in a sealed memfd: an object as JSON, a string as it is
  unsealed: true   leaves the seals out
Each request is written to LOG as one line, with the text of its body under "body".
"""
import array
import fcntl
import json
import os
import socket
import sys

ALL_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
FRAME_MAX = 65536


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value)


def receive(connection):
    frame, ancillary, _, _ = connection.recvmsg(FRAME_MAX, socket.CMSG_SPACE(4))
    if not frame:
        return None
    request = json.loads(frame)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            for fd in array.array("i", data):
                # What is written beside a frame is refused by the real daemon unless it is sealed.
                request["sealed"] = fcntl.fcntl(fd, fcntl.F_GET_SEALS) == ALL_SEALS
                with os.fdopen(fd, "rb") as body:
                    body.seek(0)
                    request["body"] = body.read().decode()
    return request


def send(connection, answer):
    frame = text_of(answer["frame"]).encode()
    if "body" not in answer:
        connection.sendmsg([frame])
        return
    fd = os.memfd_create("body", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, text_of(answer["body"]).encode())
    if not answer.get("unsealed"):
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, ALL_SEALS)
    connection.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)


def main():
    path, answers_file, log_file = sys.argv[1:]
    with open(answers_file, encoding="utf-8") as file:
        answers = json.load(file)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(8)
    print("ready", flush=True)
    with open(log_file, "w", encoding="utf-8") as log:
        while True:
            connection, _ = listener.accept()
            with connection:
                request = receive(connection)
                if request is None:
                    continue
                print(json.dumps(request, sort_keys=True), file=log, flush=True)
                key = request["verb"] + (" " + request["what"] if "what" in request else "")
                answer = answers.get(key, {"frame": {"status": 2, "error": f"no answer is recorded for {key}"}})
                if answer["frame"] is not None:
                    send(connection, answer)


main()
