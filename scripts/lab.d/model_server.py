#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""A model server of the lab: real inference over HTTP/1.1, a token stream, metrics, and a UDP echo.

    POST /v1/predict {"features": [30 numbers]}   prediction, probability, model, version, backend, region
    GET  /v1/models                               id, version, digest of the artefact, score on held-out data
    GET  /v1/stream?tokens=N&ms=M                 N server-sent events, one every M ms (0: as fast as they are read)
    GET  /metrics                                 Prometheus text
    GET  /healthz                                 ok
    GET  /v2/health/ready                         200, or 503: SIGUSR1 makes it the other one
    UDP  anything                                 the same, after this server's name and a space

SIGUSR2 has its streams take twice as long from then on, or as long as they should again, without a word to anybody.
SIGRTMIN has it break off predictions with a reset, or answer them again; SIGRTMIN+1 has it answer them LATE seconds later, or at
once again. Nobody is told of that either. SIGHUP has it read its artefact again, without a word to anybody who is connected.

It answers at every local address: for connections that usher rewrites at its own, for direct return (l2) at the service
address that it holds on lo.
"""

import argparse
import asyncio
import gc
import json
import math
import re
import signal
import socket
import struct
import time
from urllib.parse import parse_qsl

import prometheus_client as prometheus

import scorer
from access_log import AccessLog

BACKLOG = 4096
HEAD_LIMIT = 16 << 10
BODY_LIMIT = 64 << 10
TOKENS_LIMIT = 1_000_000
INTERVAL_LIMIT = 60_000  # ms
SWEEP_EVERY = 5.0
LATE = 0.5  # seconds
BURST = 64  # tokens written in one go when a stream has no interval, before others get their turn
WORDS = "the applicant's record suggests that the requested credit can be repaid within the agreed term".split()
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large",
           431: "Request Header Fields Too Large", 501: "Not Implemented", 503: "Service Unavailable",
           505: "HTTP Version Not Supported"}

LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.I)
CODING = re.compile(rb"\r\ntransfer-encoding:", re.I)
CLIENT = re.compile(rb"\r\nx-client:[ \t]*([A-Za-z0-9._:-]{0,64})[ \t]*\r\n", re.I)
CLOSE = re.compile(rb"\r\nconnection:[^\r\n]*\bclose\b", re.I)


class Refused(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status, why):
        super().__init__(why)
        self.status = status


class Metrics:
    def __init__(self, server):
        requests = prometheus.Counter("model_requests", "Requests answered", ["path", "code"])
        self.answered = {}  # (path, code) to its child: looking one up by label costs more than an inference
        self.child = requests.labels
        self.connections = prometheus.Gauge("model_connections", "Open connections")
        self.inflight = prometheus.Gauge("model_inflight_requests", "Requests being answered, streams among them")
        self.tokens = prometheus.Counter("model_tokens", "Tokens streamed")
        self.seconds = prometheus.Histogram("model_inference_seconds", "Time to answer /v1/predict", buckets=(
            2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2))
        prometheus.Gauge("model_score", "Score on held-out data").set(server.artefact.score)
        prometheus.Info("model", "What is served here").info({
            "model": server.artefact.model, "version": server.artefact.version, "digest": server.artefact.digest,
            "backend": server.backend, "region": server.region})

    def count(self, path, code):
        key = path, code
        child = self.answered.get(key)
        if child is None:
            child = self.answered[key] = self.child(path, code)
        child.inc()


class Server:
    """What all connections share."""

    def __init__(self, options, loop):
        self.loop = loop
        self.backend = options.backend
        self.region = options.region
        self.idle = options.idle
        self.path = options.model
        self.load()
        self.log = AccessLog(options.log, loop)
        self.metrics = Metrics(self)
        self.connections = set()
        self.accepted = 0
        self.ready = True
        self.pace = 1
        self.breaks = False
        self.late = 0.0

    def load(self):
        """The artefact, as it is on the disk now."""
        self.artefact = scorer.Artefact(self.path)
        self.identity = json.dumps({"model": self.artefact.model, "version": self.artefact.version,
                                    "backend": self.backend, "region": self.region})[1:]

    def predict(self, body):
        begun = time.perf_counter()
        try:
            features = json.loads(body)["features"]
            if len(features) != scorer.FEATURES:
                raise Refused(400, f"features: {scorer.FEATURES} numbers are needed, {len(features)} came")
            features = [float(value) for value in features]
            if not all(map(math.isfinite, features)):
                raise Refused(400, "features: every one must be finite")
            label, probability = self.artefact.predict(features)
        except (ValueError, TypeError, KeyError, OverflowError):
            raise Refused(400, 'the body must be {"features": [numbers]}') from None
        self.metrics.seconds.observe(time.perf_counter() - begun)
        return f'{{"prediction": "{label}", "probability": {probability:.6f}, {self.identity}\n'.encode()

    def models(self):
        artefact = self.artefact
        return json.dumps({"object": "list", "data": [{
            "id": artefact.model, "object": "model", "version": artefact.version, "digest": artefact.digest,
            "algorithm": artefact.algorithm, "score": artefact.score, "samples": artefact.samples,
            "backend": self.backend, "region": self.region}]}).encode() + b"\n"

    def turn(self):
        """Ready, or not: for new connections only; what is open goes on."""
        self.ready = not self.ready

    def tire(self):
        """Half the speed, or the whole again: of streams that begin."""
        self.pace = 3 - self.pace

    def turn_bad(self):
        self.breaks = not self.breaks

    def turn_late(self):
        self.late = LATE - self.late

    def sweep(self):
        """Ends connections that neither asked nor were answered for too long."""
        before = time.monotonic() - self.idle
        for connection in [c for c in self.connections if c.stream is None and c.touched < before]:
            connection.end = "timeout"
            connection.transport.close()
        self.loop.call_later(SWEEP_EVERY, self.sweep)


class Connection(asyncio.Protocol):
    """One TCP connection: requests are answered one after the other; a stream ends before the next one begins."""

    def __init__(self, server):
        self.server = server
        self.transport = None
        self.buffer = b""
        self.stream = None
        self.writable = True
        self.client = ""
        self.path = "other"
        self.keep = False
        self.end = None
        self.requests = 0
        self.tokens = 0
        self.touched = time.monotonic()

    # what asyncio tells us

    def connection_made(self, transport):
        server = self.server
        server.accepted += 1
        self.number = server.accepted
        self.transport = transport
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        # A client that is gone already leaves no name; it still gets a line.
        self.peer = endpoint("peer", peer) if peer else '"peer":null,"peer_port":0'
        server.connections.add(self)
        server.metrics.connections.inc()
        server.log.write("accept", f'"conn":{self.number},{self.peer},{endpoint("local", local)}')

    def data_received(self, data):
        self.touched = time.monotonic()
        self.buffer = self.buffer + data if self.buffer else data
        if self.stream is None:
            self.answer_all()
        elif len(self.buffer) > HEAD_LIMIT + BODY_LIMIT:
            # Reading goes on during a stream, because that is how a reset is noticed; what is sent meanwhile is bounded.
            self.close("error")

    def eof_received(self):
        self.end = self.end or "peer"

    def pause_writing(self):
        self.writable = False

    def resume_writing(self):
        self.writable = True
        if self.stream is not None:
            self.stream.tick()

    def connection_lost(self, error):
        server = self.server
        if isinstance(error, (ConnectionResetError, BrokenPipeError)):
            self.end = "reset"
        elif isinstance(error, TimeoutError):
            self.end = "timeout"
        elif error is not None:
            self.end = "error"
        if self.stream is not None:
            self.stream.stop()
        server.connections.discard(self)
        server.metrics.connections.dec()
        server.log.write("close", f'"conn":{self.number},{self.peer},"client":"{self.client}",'
                                  f'"requests":{self.requests},"tokens":{self.tokens},"end":"{self.end or "peer"}"')

    # requests

    def close(self, end):
        self.end = self.end or end
        self.transport.close()

    def answer_all(self):
        try:
            while self.stream is None and not self.transport.is_closing() and self.answer_one():
                pass
        except Refused as refused:
            body = json.dumps({"error": str(refused)}).encode() + b"\n"
            self.keep = False
            self.respond(refused.status, body)

    def answer_one(self):
        """False if the buffer holds no whole request."""
        buffer = self.buffer
        length = buffer.find(b"\r\n\r\n") + 2
        if length < 2:
            if len(buffer) > HEAD_LIMIT:
                raise Refused(431, "the head of the request is too long")
            return False
        head = buffer[:length]
        if CODING.search(head):
            raise Refused(501, "a body needs a Content-Length here")
        found = LENGTH.search(head)
        body_length = int(found[1]) if found else 0
        if body_length > BODY_LIMIT:
            raise Refused(413, "the body of the request is too long")
        if len(buffer) < length + 2 + body_length:
            return False
        body = buffer[length + 2:length + 2 + body_length]
        self.buffer = buffer[length + 2 + body_length:]
        self.requests += 1
        self.path = "other"
        self.dispatch(head, body)
        return True

    def dispatch(self, head, body):
        try:
            method, target, protocol = head[:head.index(b"\r\n")].decode("ascii").split(" ")
        except ValueError:
            raise Refused(400, "not a request") from None
        if protocol not in ("HTTP/1.1", "HTTP/1.0"):
            raise Refused(505, "HTTP/1.1 is spoken here")
        found = CLIENT.search(head)
        self.client = found[1].decode() if found else ""
        self.keep = protocol == "HTTP/1.1" and not CLOSE.search(head)
        path, _, query = target.partition("?")
        if path not in ROUTES:
            raise Refused(404, "no such path")
        self.path = path
        wanted, handler = ROUTES[path]
        if method != wanted:
            raise Refused(405, f"{path} takes {wanted}")
        handler(self, query, body)

    def record(self, status):
        self.server.metrics.count(self.path, status)
        self.server.log.write("request", f'"conn":{self.number},"client":"{self.client}","path":"{self.path}",'
                                         f'"status":{status}')

    def respond(self, status, body, kind="application/json"):
        self.record(status)
        close = "" if self.keep else "Connection: close\r\n"
        self.transport.write(f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\n"
                             f"Content-Length: {len(body)}\r\n{close}\r\n".encode() + body)
        if not self.keep:
            self.close("server")

    def on_predict(self, _query, body):
        if self.server.breaks:
            self.end = "broken"
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        elif self.server.late:
            self.stream = Late(self, self.server.predict(body))
        else:
            self.respond(200, self.server.predict(body))

    def answer_late(self, body):
        self.respond(200, body)
        self.stream_done()

    def on_models(self, _query, _body):
        self.respond(200, self.server.models())

    def on_metrics(self, _query, _body):
        self.respond(200, prometheus.generate_latest(), prometheus.CONTENT_TYPE_LATEST)

    def on_health(self, _query, _body):
        self.respond(200, b"ok\n", "text/plain")

    def on_ready(self, _query, _body):
        self.respond(200 if self.server.ready else 503, b"", "text/plain")

    def on_stream(self, query, _body):
        asked = dict(parse_qsl(query))
        try:
            tokens, interval = int(asked.get("tokens", 50)), int(asked.get("ms", 20))
        except ValueError:
            raise Refused(400, "tokens and ms are whole numbers") from None
        if not 1 <= tokens <= TOKENS_LIMIT or not 0 <= interval <= INTERVAL_LIMIT:
            raise Refused(400, f"tokens: 1 to {TOKENS_LIMIT}, ms: 0 to {INTERVAL_LIMIT}")
        self.record(200)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                             b"Transfer-Encoding: chunked\r\n" + (b"" if self.keep else b"Connection: close\r\n") + b"\r\n")
        self.stream = Stream(self, tokens, interval / 1000.0 * self.server.pace)
        self.stream.tick()

    def stream_done(self):
        self.stream = None
        self.touched = time.monotonic()
        if not self.keep:
            self.close("server")
        elif self.buffer:
            self.answer_all()


ROUTES = {
    "/v1/predict": ("POST", Connection.on_predict),
    "/v1/models": ("GET", Connection.on_models),
    "/v1/stream": ("GET", Connection.on_stream),
    "/metrics": ("GET", Connection.on_metrics),
    "/healthz": ("GET", Connection.on_health),
    "/v2/health/ready": ("GET", Connection.on_ready),
}


class Late:
    """An answer that waits; no other begins meanwhile."""

    def __init__(self, connection, body):
        self.timer = connection.server.loop.call_later(LATE, connection.answer_late, body)

    def tick(self):
        """There is room to write again: that changes nothing."""

    def stop(self):
        self.timer.cancel()


class Stream:
    """Tokens at fixed times from the start, so that a late tick does not make all the following ones late."""

    def __init__(self, connection, tokens, interval):
        self.connection = connection
        self.server = connection.server
        self.tokens = tokens
        self.interval = interval
        self.sent = 0
        self.timer = None
        self.start = self.server.loop.time()
        self.server.metrics.inflight.inc()

    def tick(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        connection, loop = self.connection, self.server.loop
        burst = BURST
        while self.sent < self.tokens:
            if not connection.writable or connection.transport.is_closing():
                return  # resume_writing or connection_lost comes next
            due = self.start + self.sent * self.interval
            if burst == 0 or due > loop.time():
                self.timer = loop.call_at(due, self.tick)
                return
            burst -= 1
            self.emit()
        connection.transport.write(b"0\r\n\r\n")
        self.stop()
        connection.stream_done()

    def emit(self):
        self.sent += 1
        event = (f'data: {{"n": {self.sent}, "mono_ns": {time.monotonic_ns()}, "token": "{WORDS[self.sent % len(WORDS)]}", '
                 f'{self.server.identity}\n\n').encode()
        self.connection.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.connection.tokens += 1
        self.server.metrics.tokens.inc()

    def stop(self):
        if self.timer is not None:
            self.timer.cancel()
        self.server.metrics.inflight.dec()


class Echo:
    """UDP. A datagram is answered from the address that it was sent to, which for direct return is the service's."""

    PKTINFO = struct.Struct("=16sI")
    CONTROL = socket.CMSG_SPACE(PKTINFO.size)

    def __init__(self, server, sock, port):
        self.server = server
        self.sock = sock
        self.port = port
        self.name = server.backend.encode() + b" "

    def readable(self):
        for _ in range(BURST):
            try:
                data, control, _flags, peer = self.sock.recvmsg(2048, self.CONTROL)
            except OSError:  # nothing left, or the report of an answer that nobody wanted
                return
            for level, kind, value in control:
                if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                    self.answer(data, peer, self.PKTINFO.unpack(value[:self.PKTINFO.size])[0])

    def answer(self, data, peer, local):
        # No interface is named: an address on lo must leave through another.
        source = self.PKTINFO.pack(local, 0)
        try:
            self.sock.sendmsg([self.name, data], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source)], 0, peer)
        except OSError:
            return
        self.server.log.write("datagram", f'{endpoint("peer", peer)},'
                                          f'{endpoint("local", (socket.inet_ntop(socket.AF_INET6, local), self.port))},'
                                          f'"bytes":{len(data)}')


def endpoint(name, address):
    """Both address families arrive at one socket; IPv4 addresses are written as such."""
    return f'"{name}":"{address[0].removeprefix("::ffff:")}","{name}_port":{address[1]}'


def bound(kind, port):
    """A socket of both address families on every local address."""
    sock = socket.socket(socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind == socket.SOCK_DGRAM:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.bind(("::", port))
    return sock


async def serve(options):
    loop = asyncio.get_running_loop()
    server = Server(options, loop)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGUSR1, server.turn)
    loop.add_signal_handler(signal.SIGUSR2, server.tire)
    loop.add_signal_handler(signal.SIGHUP, server.load)
    loop.add_signal_handler(signal.SIGRTMIN, server.turn_bad)
    loop.add_signal_handler(signal.SIGRTMIN + 1, server.turn_late)
    listeners = []
    for port in options.tcp:
        # asyncio sets TCP_NODELAY on what it accepts.
        listeners.append(await loop.create_server(lambda: Connection(server), sock=bound(socket.SOCK_STREAM, port),
                                                  backlog=BACKLOG))
    for port in options.udp:
        echo = Echo(server, bound(socket.SOCK_DGRAM, port), port)
        loop.add_reader(echo.sock, echo.readable)
    server.sweep()
    # What is there now stays: keep the collector from walking it, which costs milliseconds under load.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    if options.ready:
        with open(options.ready, "w", encoding="ascii"):
            pass
    await stopping.wait()
    for listener in listeners:
        listener.close()
    for connection in list(server.connections):
        connection.close("server")
    await asyncio.sleep(0)
    server.log.flush()


def main():
    parser = argparse.ArgumentParser(description="A model server of the lab.")
    parser.add_argument("--backend", required=True, help="its name")
    parser.add_argument("--region", required=True)
    parser.add_argument("--model", required=True, help="artefact written by train.py")
    parser.add_argument("--log", required=True, help="access log, JSON Lines, appended to")
    parser.add_argument("--tcp", type=int, nargs="+", default=[8000, 443, 8443], metavar="PORT")
    parser.add_argument("--udp", type=int, nargs="+", default=[8000, 443], metavar="PORT")
    parser.add_argument("--idle", type=float, default=300.0, help="seconds after which a silent connection is ended")
    parser.add_argument("--ready", help="file to make once everything listens")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
