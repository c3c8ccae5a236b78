# SPDX-License-Identifier: GPL-2.0-only
"""The model server's own record of who reached it, against which tests hold what usher says: JSON Lines, one object an event.

    accept   a connection was accepted: conn, peer, peer_port, local, local_port
    request  a request was answered, or its stream begun: conn, client (the X-Client header), path, status
    close    the connection is over: conn, peer, peer_port, client, requests, tokens (sent), and in "end" how:
             peer (it closed), server (we did), reset (by the peer), timeout, error
    datagram a datagram was answered: peer, peer_port, local, local_port, bytes

All have mono_ns and wall_ns. The monotonic clock is one for all the namespaces of a host, so times in the logs of servers and in
the output of clients can be compared. Lines are written FLUSH_AFTER seconds after the first that waits, and at exit.
"""

import os
import time

FLUSH_AFTER = 0.02
LIMIT = 512 << 20  # bytes; the log lives in memory (/run) and must not fill it


class AccessLog:
    def __init__(self, path, loop):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.room = LIMIT - os.fstat(self.file).st_size
        self.loop = loop
        self.lines = []

    def write(self, event, fields):
        """fields: JSON members, already encoded. Formatting one string is five times as fast as json.dumps of a dict."""
        if not self.lines:
            self.loop.call_later(FLUSH_AFTER, self.flush)
        self.lines.append(f'{{"event":"{event}","mono_ns":{time.monotonic_ns()},"wall_ns":{time.time_ns()},{fields}}}\n')

    def flush(self):
        if not self.lines:
            return
        data = "".join(self.lines).encode()
        self.lines.clear()
        if self.room < len(data):
            if self.room > 0:
                os.write(self.file, b'{"event":"log-full"}\n')
                self.room = 0
            return
        self.room -= len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self.file, view):]
