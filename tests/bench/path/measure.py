# SPDX-License-Identifier: GPL-2.0-only
"""One window of one load against one contender: what the client saw, and what it cost the gateway.

Cost: the time that the contender's tasks had a processor (/proc/PID/task/*/schedstat, in ns), from before the load began until after it ended,
over all that the load did in between.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import time

from contender import BUILD, busy_ns, nth
from segment import CLIENT, CLIENT_ADDRESSES, ENDS, GATEWAY, BenchError

MEBI = 1 << 20
REQUEST = ("--up", "256", "--down", "1024")
WARM_UP = 0.15
# A run is disturbed if others had more of the two processors than this, or the hypervisor took more than that.
OTHERS_MAX, STOLEN_MAX = 0.10, 0.02


@dataclasses.dataclass(frozen=True)
class Load:
    text: str
    options: tuple
    unit: str  # what is counted: connections, requests, or bytes
    figures: tuple  # which figures of it are reported


LOADS = {
    "connections": Load("connect, one request, close; 64 at a time", ("--close", "--connections", "64", *REQUEST), "connections",
                        ("rate", "cost")),
    "requests": Load("requests on 64 open connections, one after the other", ("--connections", "64", *REQUEST), "requests", ("rate", "cost")),
    "opening": Load("1,000 connections a second, each with one request", ("--close", "--connections", "256", "--rate", "1000", *REQUEST),
                    "connections", ("p50", "p99", "cost")),
    "asking": Load("4,000 requests a second on 64 open connections", ("--connections", "64", "--rate", "4000", *REQUEST), "requests",
                   ("p50", "p99", "cost")),
    "up": Load("4 clients send", ("--connections", "4", "--up", str(MEBI)), "bytes", ("rate", "cost")),
    "down": Load("4 clients receive", ("--connections", "4", "--down", str(MEBI)), "bytes", ("rate", "cost")),
}


@dataclasses.dataclass
class Run:
    """Figures of one window. rate: a second, of bytes in MB; cost: gateway CPU seconds for a million, of bytes for a GB."""
    figures: dict
    others: float  # share of both processors that was nobody's of the bench
    stolen: float
    attributed: float  # of the gateway processor's busy time, what the contender's tasks had; nan if it was hardly busy
    late: int

    def is_disturbed(self):
        return self.others > OTHERS_MAX or self.stolen > STOLEN_MAX


class Unserved(BenchError):
    """A contender that did not do what it was asked for; is_disturbed: on a machine that had no time for it."""

    def __init__(self, text, is_disturbed):
        super().__init__(text)
        self.is_disturbed = is_disturbed


def judge(load, seen, before, after):
    elapsed = after["at"] - before["at"]
    cost = after["contender"] - before["contender"]
    busy = [after["processors"][i][0] - before["processors"][i][0] for i in (0, 1)]
    stolen = sum(after["processors"][i][1] - before["processors"][i][1] for i in (0, 1))
    ours = after["own"] - before["own"] + after["loads"] - before["loads"]
    is_bytes = load.unit == "bytes"
    return Run({"rate": seen["bytes"] / max(seen["seconds"], 1e-9) / 1e6 if is_bytes else seen["count"] / max(seen["seconds"], 1e-9),
                "cost": cost / (max(seen["all_bytes"], 1) / 1e9 if is_bytes else max(seen["all_count"], 1) / 1e6),
                "p50": seen["p50_us"], "p99": seen["p99_us"]},
               others=max(0.0, sum(busy) - ours) / (2 * elapsed), stolen=stolen / (2 * elapsed),
               attributed=cost / busy[1] if busy[1] > 0.25 * elapsed else float("nan"), late=seen["late"])


class Meter:
    def __init__(self, segment, contenders, server, before_load=()):
        """before_load: words before the load's command."""
        self.segment, self.before_load = segment, before_load
        # Whose time is the bench's own: the segment's threads, the servers, this process, and those in which softirqs run.
        self.own = [*segment.segment_threads, server.pid, os.getpid(), *kernel_threads(("ksoftirqd/",))]
        self.contender_tasks = sorted({task for contender in contenders for task in contender.tasks})

    def processors(self):
        """(not idle, stolen) in seconds, of ENDS and of GATEWAY."""
        found = {}
        for line in pathlib.Path("/proc/stat").read_text().splitlines():
            if line.startswith(("cpu0 ", "cpu1 ")):
                words = [int(word) / os.sysconf("SC_CLK_TCK") for word in line.split()[1:9]]
                found[int(line[3])] = (sum(words) - words[3] - words[4], words[7])
        return found[ENDS], found[GATEWAY]

    def reading(self, contender):
        return {"at": time.monotonic(), "contender": contender.busy_ns() / 1e9, "processors": self.processors(),
                "own": sum(busy_ns(task) for task in (*self.own, *self.contender_tasks) if os.path.exists(f"/proc/{task}")) / 1e9,
                "loads": sum(os.times()[2:4])}

    def run(self, contender, backends, load, seconds):
        """Raises Unserved if the contender does not serve what it was asked for."""
        to, port = contender.target(backends)
        words = [BUILD / "tests/bench/path/load", "--from", f"{nth(CLIENT, 0)}+{CLIENT_ADDRESSES}", "--to", to, "--port", port,
                 "--seconds", seconds, "--warm-up", WARM_UP, *load.options]
        before = self.reading(contender)
        try:
            done = subprocess.run(["nsenter", f"--net=/run/netns/{self.segment.namespace('client')}", "taskset", "-c", str(ENDS),
                                   *map(str, (*self.before_load, *words))], capture_output=True, text=True, check=False, timeout=60)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{contender.name} with {backends} backends, {load.text}: no end after 60 s") from error
        after = self.reading(contender)
        try:
            seen = json.loads(done.stdout)
        except json.JSONDecodeError as error:
            raise BenchError(f"the load ended with {done.returncode}: {done.stderr.strip()[-400:]}") from error
        run = judge(load, seen, before, after)
        if seen["errors"] or not seen["count"]:
            raise Unserved(f"{contender.name} with {backends} backends, {load.text}: {seen['errors']} of {seen['all_count'] + seen['errors']} "
                           f"failed: {seen['error'] or 'nothing was answered'}", run.is_disturbed())
        # Each backend has its part, so that among so many connections none goes without.
        if load.unit == "connections" and seen["all_count"] >= 30 * backends and seen["backends"] != backends:
            raise Unserved(f"{contender.name} with {backends} backends: only {seen['backends']} of them had connections", False)
        return run

    def idle(self, contenders, seconds):
        """Share of a processor that each takes while nobody asks it anything."""
        before = {contender.name: contender.busy_ns() for contender in contenders}
        time.sleep(seconds)
        return {contender.name: (contender.busy_ns() - before[contender.name]) / 1e9 / seconds for contender in contenders}


def kernel_threads(beginnings):
    found = []
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and pathlib.Path(entry.path, "comm").read_text().startswith(beginnings):
                found.append(int(entry.name))
        except OSError:
            continue
    return found
