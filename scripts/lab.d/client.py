#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""A client of the lab. What it says about a connection is what the socket said, and when: the point is to tell a refusal from a
reset from silence.

    client.py load    --url http://198.51.100.10:443/v1/predict --connections 1000 --concurrency 32
    client.py stream  --url http://198.51.100.10:443/v1/stream --tokens 500 --ms 20 --streams 4
    client.py predict --url http://198.51.100.10:443/v1/predict --samples FILE
    client.py udp     --to 198.51.100.10:443 --count 10 --flows 4

How a connection can end, everywhere below:
    ok        every request was answered with 200
    refused   ECONNREFUSED while connecting: a reset answered the SYN (for UDP: an ICMP error came)
    reset     ECONNRESET (or EPIPE) once connected
    timeout   nothing came for --timeout seconds
    other     anything else: an HTTP error, a close in the middle of an answer, no route; counted in "other_detail"

With --json one JSON object is printed, otherwise one line for a person. Interrupted, it reports what there is so far. Times called
..._ns are CLOCK_MONOTONIC, which is one for all namespaces: they compare with the servers' logs. Exit status: 0, also when
connections failed, which may be what was wanted; 2 for usage.
"""

import argparse
import asyncio
import collections
import errno
import json
import signal
import socket
import sys
import time
from urllib.parse import urlsplit

IP_BIND_ADDRESS_NO_PORT = 24  # <linux/in.h>; the port is chosen at connect(), so that ports are only unique per destination
READ_SIZE = 64 << 10
HEAD_LIMIT = 16 << 10

# An applicant on whom the versions disagree: the 28th of the held-out samples.
SAMPLE = [15.1, 22.02, 97.26, 712.8, 0.09056, 0.07081, 0.05253, 0.03334, 0.1616, 0.05684, 0.3105, 0.8339, 2.097, 29.91, 0.004675,
          0.0103, 0.01603, 0.009222, 0.01095, 0.001629, 18.1, 31.69, 117.7, 1030.0, 0.1389, 0.2057, 0.2712, 0.153, 0.2675, 0.07873]


class Unexpected(Exception):
    """The other end did something that is not an answer."""


class Target:
    """Where to connect, from where, and what to say."""

    def __init__(self, options):
        url = urlsplit(options.url)
        if url.scheme != "http" or not url.hostname:
            raise ValueError(f"{options.url}: not http://ADDRESS[:PORT]/PATH")
        self.family, self.address = numeric(url.hostname, url.port or 80)
        self.host = url.netloc
        self.path = url.path or "/"
        self.query = url.query
        self.identity = options.identity
        self.sources = [numeric(source, 0)[1] for source in options.source]
        self.used = 0

    def request(self, method, path, body=b"", keep=True):
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nX-Client: {self.identity}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if not keep:
            head += "Connection: close\r\n"
        return head.encode() + b"\r\n" + body

    def source(self):
        """The sources take turns."""
        if not self.sources:
            return None
        self.used += 1
        return self.sources[(self.used - 1) % len(self.sources)]

    def socket(self, source):
        sock = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            sock.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind(source)
        return sock


def numeric(host, port):
    """(family, address) of a numeric address; names are not resolved in a lab."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return found[0][0], found[0][4]


def outcome(error, connected):
    """(how it ended, detail or None) for what was raised."""
    if isinstance(error, ConnectionRefusedError) and not connected:
        return "refused", None
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset", None
    if isinstance(error, TimeoutError):
        return "timeout", None
    if isinstance(error, OSError) and error.errno:
        return "other", errno.errorcode.get(error.errno, str(error.errno))
    return "other", str(error)


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(seconds):
    """p50, p99 and max, in milliseconds."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return {"p50_ms": round(percentile(ordered, 0.50) * 1e3, 3), "p99_ms": round(percentile(ordered, 0.99) * 1e3, 3),
            "max_ms": round(ordered[-1] * 1e3, 3)}


class Answers:
    """Reads HTTP answers from a socket."""

    def __init__(self, sock, loop, timeout):
        self.sock = sock
        self.loop = loop
        self.timeout = timeout
        self.buffer = b""

    async def more(self):
        async with asyncio.timeout(self.timeout):
            data = await self.loop.sock_recv(self.sock, READ_SIZE)
        if not data:
            raise Unexpected("closed before the end of the answer")
        self.buffer += data

    async def head(self):
        """(status, header text in lower case); what follows stays in the buffer."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            if len(self.buffer) > HEAD_LIMIT:
                raise Unexpected("an endless answer head")
            await self.more()
        head, self.buffer = self.buffer[:end].decode("latin-1").lower(), self.buffer[end + 4:]
        try:
            return int(head.split(" ", 2)[1]), head
        except (IndexError, ValueError):
            raise Unexpected("not an HTTP answer") from None

    async def chunks(self):
        """What is in the chunks of an answer."""
        body = b""
        while True:
            while (end := self.buffer.find(b"\r\n")) < 0 or len(self.buffer) < end + 4 + int(self.buffer[:end], 16):
                await self.more()
            length = int(self.buffer[:end], 16)
            body += self.buffer[end + 2:end + 2 + length]
            self.buffer = self.buffer[end + 4 + length:]
            if length == 0:
                return body

    async def whole(self):
        """(status, body) of an answer that says how long it is."""
        status, head = await self.head()
        if "\r\ntransfer-encoding: chunked" in head:
            return status, await self.chunks()
        _, found, rest = head.partition("\r\ncontent-length:")
        if not found:
            raise Unexpected("an answer without length")
        length = int(rest.partition("\r\n")[0])
        while len(self.buffer) < length:
            await self.more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return status, body


async def connect(target, sock, loop, timeout):
    async with asyncio.timeout(timeout):
        await loop.sock_connect(sock, target.address)


def stop_on_signals(loop):
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def until_done_or(stopping, coroutines):
    """Runs them side by side; a signal cancels them, and they keep what they have counted."""
    waiter = asyncio.ensure_future(stopping.wait())
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    everything = asyncio.ensure_future(asyncio.wait(tasks))
    await asyncio.wait([waiter, everything], return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    for task in tasks:
        task.cancel()  # which does nothing to one that is done
    await everything
    for task in tasks:
        if not task.cancelled():
            task.result()


class Load:
    """Many connections, each with one request or --keepalive of them."""

    def __init__(self, options, loop):
        self.options = options
        self.loop = loop
        self.target = Target(options)
        path = self.target.path + ("?" + self.target.query if self.target.query else "")
        body = b"" if options.get else json.dumps({"features": SAMPLE}).encode()
        method = "GET" if options.get else "POST"
        self.asking = self.target.request(method, path, body)
        self.last = self.target.request(method, path, body, keep=False)
        self.ends = collections.Counter()
        self.details = collections.Counter()
        self.answers = 0
        self.connected, self.answered = [], []
        self.failed = collections.defaultdict(list)
        self.by = {name: collections.Counter() for name in ("backend", "version", "region")}
        self.by_source = collections.defaultdict(collections.Counter)
        self.begun = 0
        self.start = time.monotonic()

    def may_begin(self):
        options = self.options
        if options.connections and self.begun >= options.connections:
            return False
        if options.seconds and time.monotonic() - self.start >= options.seconds:
            return False
        self.begun += 1
        return True

    async def work(self):
        while self.may_begin():
            if self.options.rate:
                await asyncio.sleep(self.start + (self.begun - 1) / self.options.rate - time.monotonic())
            await self.connection()

    async def connection(self):
        source = self.target.source()
        connected = False
        begun = time.perf_counter()
        try:
            with self.target.socket(source) as sock:
                await connect(self.target, sock, self.loop, self.options.timeout)
                connected = True
                self.connected.append(time.perf_counter() - begun)
                answers = Answers(sock, self.loop, self.options.timeout)
                for number in range(self.options.keepalive):
                    await self.exchange(sock, answers, source, number == self.options.keepalive - 1)
        except (OSError, Unexpected) as error:
            end, detail = outcome(error, connected)
            self.ends[end] += 1
            self.failed[end].append(time.perf_counter() - begun)
            if detail:
                self.details[detail] += 1
        else:
            self.ends["ok"] += 1

    async def exchange(self, sock, answers, source, last):
        asked = time.perf_counter()
        await self.loop.sock_sendall(sock, self.last if last else self.asking)
        status, body = await answers.whole()
        if status != 200:
            raise Unexpected(f"HTTP {status}")
        self.answered.append(time.perf_counter() - asked)
        self.answers += 1
        if not self.options.get:
            fields = json.loads(body)
            for name, counter in self.by.items():
                counter[fields[name]] += 1
            if source:
                self.by_source[source[0]][fields["backend"]] += 1

    async def run(self):
        await until_done_or(stop_on_signals(self.loop), [self.work() for _ in range(self.options.concurrency)])
        seconds = time.monotonic() - self.start
        done = sum(self.ends.values())
        return {
            "connections": done, **{end: self.ends[end] for end in ("ok", "refused", "reset", "timeout", "other")},
            "other_detail": dict(self.details), "answers": self.answers,
            **{f"by_{name}": dict(counter) for name, counter in self.by.items()},
            "by_source": {source: dict(counter) for source, counter in self.by_source.items()},
            "connect": spread(self.connected), "latency": spread(self.answered),
            "failed": {end: spread(times) for end, times in self.failed.items()},
            "seconds": round(seconds, 3), "per_second": round(done / seconds, 1),
        }

    @staticmethod
    def line(result):
        ends = ", ".join(f"{result[end]} {end}" for end in ("ok", "refused", "reset", "timeout", "other") if result[end])
        where = ", ".join(f"{backend} {count}" for backend, count in sorted(result["by_backend"].items()))
        latency = f"; p50 {result['latency']['p50_ms']} ms, p99 {result['latency']['p99_ms']} ms" if result["latency"] else ""
        other = f" ({', '.join(result['other_detail'])})" if result["other_detail"] else ""
        return (f"{result['connections']} connections in {result['seconds']} s: {ends or 'none'}{other}"
                f"{'; answered by ' + where if where else ''}{latency}")


class Streams:
    """Token streams, side by side."""

    def __init__(self, options, loop):
        self.options = options
        self.loop = loop
        self.target = Target(options)
        self.streams = []

    async def stream(self):
        """A stream keeps its account in a dict, so that an interrupted one still has it."""
        options = self.options
        account = {"tokens": 0, "bytes": 0, "ended": "interrupted", "first_ns": None, "last_ns": None, "longest_gap_ms": 0.0}
        times = []
        if options.times:
            account["times_ns"] = times
        self.streams.append(account)
        connected = False
        account["begun_ns"] = time.monotonic_ns()
        try:
            source = self.target.source()
            with self.target.socket(source) as sock:
                await connect(self.target, sock, self.loop, options.timeout)
                connected = True
                account["connected_ns"] = time.monotonic_ns()
                account["local"], account["local_port"] = sock.getsockname()[:2]
                path = f"{self.target.path}?tokens={options.tokens}&ms={options.ms}"
                await self.loop.sock_sendall(sock, self.target.request("GET", path, keep=False))
                await self.receive(Answers(sock, self.loop, options.timeout), account, times)
            account["ended"] = "complete"
        except (OSError, Unexpected) as error:
            account["ended"], detail = outcome(error, connected)
            if detail:
                account["detail"] = detail
        account["ended_ns"] = time.monotonic_ns()

    async def receive(self, answers, account, times):
        status, head = await answers.head()
        if status != 200 or "\r\ntransfer-encoding: chunked" not in head:
            raise Unexpected(f"HTTP {status}")
        arrived = time.monotonic_ns()
        while True:
            size, found, rest = answers.buffer.partition(b"\r\n")
            length = int(size, 16) if found else 0
            if not found or len(rest) < length + 2:
                await answers.more()
                arrived = time.monotonic_ns()
                continue
            if length == 0:
                return
            answers.buffer = rest[length + 2:]
            self.token(account, rest[:length], arrived)
            if self.options.times:
                times.append(arrived)

    @staticmethod
    def token(account, chunk, arrived):
        event = json.loads(chunk.removeprefix(b"data: "))
        account["tokens"] += 1
        account["bytes"] += len(chunk)
        if event["n"] != account["tokens"]:
            raise Unexpected(f"token {event['n']} came as number {account['tokens']}")
        if account["first_ns"] is None:
            account["first_ns"] = arrived
            account.update((name, event[name]) for name in ("backend", "version", "region"))
        else:
            account["longest_gap_ms"] = max(account["longest_gap_ms"], round((arrived - account["last_ns"]) / 1e6, 3))
        account["last_ns"] = arrived

    async def run(self):
        await until_done_or(stop_on_signals(self.loop), [self.stream() for _ in range(self.options.streams)])
        ends = collections.Counter(stream["ended"] for stream in self.streams)
        return {"streams": self.streams, "tokens": sum(stream["tokens"] for stream in self.streams),
                "ended": dict(ends), "by_backend": dict(collections.Counter(
                    stream["backend"] for stream in self.streams if "backend" in stream))}

    @staticmethod
    def line(result):
        ends = ", ".join(f"{count} {end}" for end, count in sorted(result["ended"].items()))
        where = ", ".join(f"{backend} {count}" for backend, count in sorted(result["by_backend"].items()))
        return f"{len(result['streams'])} streams, {result['tokens']} tokens: {ends}{'; from ' + where if where else ''}"


class Predict:
    """One prediction for each sample of a file, over one connection."""

    def __init__(self, options, loop):
        self.options = options
        self.loop = loop
        self.target = Target(options)
        with open(options.samples, encoding="utf-8") as file:
            self.samples = json.load(file)[:options.count]

    async def run(self):
        predictions = []
        with self.target.socket(self.target.source()) as sock:
            await connect(self.target, sock, self.loop, self.options.timeout)
            answers = Answers(sock, self.loop, self.options.timeout)
            for sample in self.samples:
                body = json.dumps({"features": sample}).encode()
                await self.loop.sock_sendall(sock, self.target.request("POST", self.target.path, body))
                status, body = await answers.whole()
                if status != 200:
                    raise Unexpected(f"HTTP {status}")
                predictions.append(json.loads(body))
        return {"predictions": predictions}

    @staticmethod
    def line(result):
        return "\n".join(f"{p['prediction']} {p['probability']} {p['model']}@{p['version']} {p['backend']} {p['region']}"
                         for p in result["predictions"])


class Udp:
    """Datagrams and their echoes. A flow is a socket of its own, so it has a port of its own."""

    def __init__(self, options, loop):
        self.options = options
        self.loop = loop
        host, _, port = options.to.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{options.to}: not ADDRESS:PORT")
        self.family, self.address = numeric(host.strip("[]"), int(port))
        self.sources = [numeric(source, 0)[1] for source in options.source]
        self.ends = collections.Counter()
        self.details = collections.Counter()
        self.by_backend = collections.Counter()
        self.split = 0
        self.times = []

    async def flow(self, number):
        answered_by = set()
        with socket.socket(self.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            if self.sources:
                sock.bind(self.sources[number % len(self.sources)])
            sock.connect(self.address)
            for count in range(self.options.count):
                payload = f"{self.options.identity} {number} {count}".encode()
                begun = time.perf_counter()
                try:
                    backend = await self.echo(sock, payload)
                except TimeoutError:
                    self.ends["lost"] += 1
                except OSError as error:
                    # An ICMP error came back: which one depends on its code and on the address family.
                    self.ends["refused"] += 1
                    self.details[errno.errorcode.get(error.errno, str(error.errno))] += 1
                else:
                    self.ends["answered"] += 1
                    self.times.append(time.perf_counter() - begun)
                    self.by_backend[backend] += 1
                    answered_by.add(backend)
                if self.options.ms:
                    await asyncio.sleep(self.options.ms / 1e3)
        self.split += len(answered_by) > 1

    async def echo(self, sock, payload):
        async with asyncio.timeout(self.options.timeout):
            await self.loop.sock_sendall(sock, payload)
            while True:  # until the answer to this one comes: a late one to the last may come first
                answer = await self.loop.sock_recv(sock, 2048)
                backend, _, echoed = answer.partition(b" ")
                if echoed == payload:
                    return backend.decode()

    async def run(self):
        start = time.monotonic()
        await until_done_or(stop_on_signals(self.loop), [self.flow(number) for number in range(self.options.flows)])
        return {"sent": sum(self.ends.values()), **{end: self.ends[end] for end in ("answered", "refused", "lost")},
                "refused_detail": dict(self.details), "by_backend": dict(self.by_backend),
                "flows": self.options.flows, "flows_answered_by_several": self.split,
                "latency": spread(self.times), "seconds": round(time.monotonic() - start, 3)}

    @staticmethod
    def line(result):
        where = ", ".join(f"{backend} {count}" for backend, count in sorted(result["by_backend"].items()))
        return (f"{result['sent']} datagrams: {result['answered']} answered, {result['refused']} refused, {result['lost']} lost"
                f"{'; by ' + where if where else ''}")


def whole(least):
    def number(text):
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text}: a whole number from {least} on is wanted")
        return int(text)
    return number


def options():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--source", action="append", default=[], metavar="ADDRESS", help="connect from it; several take turns")
    common.add_argument("--identity", default="", help="who we are, for the servers' logs (X-Client)")
    common.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="how long silence may last")
    common.add_argument("--json", action="store_true", help="print JSON")
    url = argparse.ArgumentParser(add_help=False)
    url.add_argument("--url", required=True, help="http://ADDRESS:PORT/PATH, the address a number")

    parser = argparse.ArgumentParser(description="A client of the lab.")
    verbs = parser.add_subparsers(dest="verb", required=True)

    load = verbs.add_parser("load", parents=[common, url], help="many connections")
    load.add_argument("--connections", type=whole(0), default=100, metavar="N", help="0: until --seconds are over")
    load.add_argument("--seconds", type=float, default=0.0, help="begin no connection after so long")
    load.add_argument("--rate", type=float, default=0.0, help="connections a second at most")
    load.add_argument("--concurrency", type=whole(1), default=16, metavar="C")
    load.add_argument("--keepalive", type=whole(1), default=1, metavar="R", help="requests on each connection")
    load.add_argument("--get", action="store_true", help="GET the URL instead of asking for a prediction")
    load.set_defaults(run=Load)

    stream = verbs.add_parser("stream", parents=[common, url], help="token streams")
    stream.add_argument("--tokens", type=whole(1), default=100, metavar="N")
    stream.add_argument("--ms", type=whole(0), default=20, metavar="M", help="between tokens")
    stream.add_argument("--streams", type=whole(1), default=1, metavar="K", help="side by side")
    stream.add_argument("--times", action="store_true", help="also say when each token came")
    stream.set_defaults(run=Streams)

    predict = verbs.add_parser("predict", parents=[common, url], help="predictions for samples")
    predict.add_argument("--samples", required=True, metavar="FILE", help="JSON list of lists of features")
    predict.add_argument("--count", type=whole(1), default=None, metavar="N", help="only the first N")
    predict.set_defaults(run=Predict)

    udp = verbs.add_parser("udp", parents=[common], help="datagrams and their echoes")
    udp.add_argument("--to", required=True, metavar="ADDRESS:PORT")
    udp.add_argument("--count", type=whole(1), default=10, metavar="N", help="datagrams of each flow")
    udp.add_argument("--flows", type=whole(1), default=1, metavar="F")
    udp.add_argument("--ms", type=whole(0), default=0, metavar="M", help="between the datagrams of a flow")
    udp.set_defaults(run=Udp, timeout=1.0)

    chosen = parser.parse_args()
    if chosen.verb == "load" and not chosen.connections and not chosen.seconds:
        parser.error("load: --connections or --seconds must end it")
    return parser, chosen


async def run(chosen):
    return await chosen.run(chosen, asyncio.get_running_loop()).run()


def main():
    parser, chosen = options()
    try:
        result = asyncio.run(run(chosen))
    except (ValueError, OSError, Unexpected) as error:
        parser.exit(2, f"client: {error}\n")
    print(json.dumps(result) if chosen.json else chosen.run.line(result))


if __name__ == "__main__":
    main()
