# SPDX-License-Identifier: GPL-2.0-only
"""Who is measured: how each is set up on its gateway, where a client finds it, and which tasks are its work.

All stay up for the whole run, each in a namespace of its own, so that rounds can take turns. Each is set up for one processor, without logging
except for usher, whose record is part of it. A contender's `tasks` are the processes and the NAPI thread whose time is its gateway's work.
"""

import json
import os
import pathlib
import shutil
import subprocess
import time

from segment import CLIENT, DIRECT, ENDS, GATEWAY, ROUTED, BenchError, nth, run

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("USHER_BUILD", ROOT / "build"))
MODES = ("nat", "l2", "ipip", "gue")
# What a contender needs beyond the build: file, Debian package.
PROGRAMS = {"haproxy": ("/usr/sbin/haproxy", "haproxy"), "nginx": ("/usr/sbin/nginx", "nginx-light"),
            "nft": ("/usr/sbin/nft", "nftables")}
STREAM_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
NAMES = ("direct", "route", "xdp", "nft", "haproxy", "nginx", *(f"usher-{mode}" for mode in MODES))
SERVICES = {**{f"usher-{mode}": f"198.51.100.{i}" for i, mode in enumerate(MODES, 1)},
            "nft": "198.51.100.5", "haproxy": "198.51.100.6", "nginx": "198.51.100.7", "xdp": "198.51.100.8"}
NAT_ADDRESS = "10.0.1.1"
# Gateway: (addresses, whether XDP runs there), as Segment.up() wants it.
GATEWAYS = {"usher": (("10.0.0.1", NAT_ADDRESS, *(SERVICES[f"usher-{mode}"] for mode in MODES)), True),
            **{name: ((f"10.0.0.{i}", SERVICES[name]), name == "xdp") for i, name in enumerate(("nft", "haproxy", "nginx", "xdp"), 2)},
            "route": (("10.0.0.6",), False)}
# Addresses that the servers hold: what is not rewritten comes to them for the service.
HELD = [SERVICES[name] for name in ("xdp", *(f"usher-{mode}" for mode in MODES if mode != "nat"))]


def port(name, backends):
    """A backend of usher's is an address and port in one mode, so each mode has ports of its own."""
    mode = name.removeprefix("usher-")
    return 8000 + 1000 * (MODES.index(mode) if mode in MODES else 0) + backends


def ports(counts):
    return sorted({port(name, count) for name in NAMES for count in counts})


def missing():
    """What is not installed, in words."""
    lacking = [f"{package} ({path})" for path, package in PROGRAMS.values() if not os.access(path, os.X_OK)]
    if not STREAM_MODULE.exists():
        lacking.append(f"libnginx-mod-stream ({STREAM_MODULE})")
    return lacking + [f"{tool}" for tool in ("clang", "ethtool", "taskset", "nsenter") if not shutil.which(tool)]


class Contender:
    """One of NAMES, once start_all() has set it up."""

    def __init__(self, name, tasks):
        self.name, self.tasks = name, tasks

    def target(self, backends):
        """Where load is to go: (address or addresses, port)."""
        if self.name in ("direct", "route"):
            return f"{DIRECT if self.name == 'direct' else ROUTED}+{backends}", port(self.name, backends)
        return SERVICES[self.name], port(self.name, backends)

    def busy_ns(self):
        try:
            return sum(busy_ns(pid) for pid in self.tasks)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise BenchError(f"{self.name} has ended") from error


def busy_ns(pid):
    """Time that a task with all its threads has had a processor, in ns."""
    return sum(int(pathlib.Path(thread.path, "schedstat").read_text().split()[0]) for thread in os.scandir(f"/proc/{pid}/task"))


def with_children(pid):
    found = [pid]
    for parent in found:
        for thread in os.scandir(f"/proc/{parent}/task"):
            found += [int(child) for child in pathlib.Path(thread.path, "children").read_text().split()]
    return found


def eventually(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(what())
        time.sleep(0.05)


# ---- each of them ------------------------------------------------------------------------------------------


def usher_policy(counts):
    services, backends, models = {}, {}, {}
    for mode in MODES:
        for count in counts:
            name = f"{mode}-{count}"
            models[name] = {"versions": {"1": {"stage": "production"}}}
            services[name] = {"address": f"{SERVICES['usher-' + mode]}:{port(mode, count)}", "protocol": "tcp", "model": name,
                              "announce": True}
            for i in range(count):
                backends[f"{name}.{i + 1}"] = {"address": f"{nth(DIRECT, i)}:{port(mode, count)}", "serves": f"{name}@1",
                                               "region": "DE", "forward": mode, "health": False}
    return {"apiVersion": "usher/v1", "metadata": {"name": "bench", "revision": 1},
            "tenants": {"acme": {"sources": [{"prefix": "203.0.113.0/24", "region": "DE"}]}},
            "models": models, "backends": backends, "services": services,
            "rules": [{"id": "acme", "when": {"tenant": ["acme"]}, "allow": True}], "nat": {"addresses": [NAT_ADDRESS]}}


def start_usher(segment, counts, document=None):
    document = document or usher_policy(counts)
    policy = segment.directory / "policy.json"
    policy.write_text(json.dumps(document))
    socket = segment.directory / "control.sock"
    process = segment.start("usher", GATEWAY, [
        BUILD / "usherd", "--interface", "usher", "--mode", "native", "--policy", policy, "--socket", socket, "--metrics", "off",
        "--state-dir", segment.directory / "state", "--audit-dir", segment.directory / "audit"], "usherd.log")

    def is_ready():
        if process.poll() is not None:
            raise BenchError(f"usherd ended: {segment.log('usherd.log')}")
        done = subprocess.run([BUILD / "usher", "-s", socket, "-j", "show", "backends"], capture_output=True, text=True, check=False)
        if done.returncode:
            return False
        shown = json.loads(done.stdout)
        shown = shown.get("backends", shown) if isinstance(shown, dict) else shown
        return len(shown) == len(document["backends"]) and all(backend["reason"] is None for backend in shown)

    eventually(is_ready, lambda: f"usher's backends do not become ready: {segment.log('usherd.log')}")
    thread = segment.thread("usher", "usher", GATEWAY)
    return [thread, *with_children(process.pid)]


def unbalanced(segment):
    """Services of usher's that did not judge each packet that they received, and once: [name, received, judged] of each."""
    def look():
        wrong = []
        for service in json.loads(subprocess.run(
                [BUILD / "usher", "-s", segment.directory / "control.sock", "-j", "show", "services"], capture_output=True, text=True,
                check=True).stdout)["services"]:
            judged = sum(counter["packets"] for reasons in service["verdicts"].values() for counter in reasons.values())
            if judged != service["received"]["packets"]:
                wrong.append([service["name"], service["received"]["packets"], judged])
        return wrong

    for _ in range(20):
        if not (wrong := look()):
            break
        time.sleep(0.1)
    return wrong


def start_route(segment, _counts):
    segment.batch("client", [f"route add 10.2.0.0/16 via {GATEWAYS['route'][0][0]} dev client src {CLIENT}"])
    return []


def start_xdp(segment, _counts):
    segment.xdp("xdp", "xdp", "floor")
    return [segment.thread("xdp", "xdp", GATEWAY)]


def start_nft(segment, counts):
    rules = ["table ip bench {", "chain in { type nat hook prerouting priority dstnat;"]
    for count in counts:
        answers = ", ".join(f"{i} : {nth(DIRECT, i)}" for i in range(count))
        rules.append(f"ip daddr {SERVICES['nft']} tcp dport {port('nft', count)} dnat to numgen inc mod {count} map {{ {answers} }}")
    rules += ["}", "chain out { type nat hook postrouting priority srcnat; ct status dnat masquerade", "}", "}"]
    path = segment.directory / "bench.nft"
    path.write_text("\n".join(rules) + "\n")
    segment.batch("nft", [f"addr add {SERVICES['nft']}/32 dev nft"])
    segment.inside("nft", PROGRAMS["nft"][0], "-f", path)
    return []


def start_haproxy(segment, counts):
    lines = ["global", " maxconn 8000", " nbthread 1", "defaults", " mode tcp", " timeout connect 5s", " timeout client 60s",
             " timeout server 60s"]
    for count in counts:
        lines += [f"listen b{count}", f" bind {SERVICES['haproxy']}:{port('haproxy', count)} backlog 4096", " balance roundrobin"]
        lines += [f" server s{i + 1} {nth(DIRECT, i)}:{port('haproxy', count)}" for i in range(count)]
    return start_proxy(segment, "haproxy", counts, lines, ["-db", "-f"])


def start_nginx(segment, counts):
    lines = [f"load_module {STREAM_MODULE};", "daemon off; worker_processes 1; worker_rlimit_nofile 16384;",
             f"pid {segment.directory}/nginx.pid; error_log stderr warn;", "events { worker_connections 8000; }", "stream {"]
    for count in counts:
        servers = " ".join(f"server {nth(DIRECT, i)}:{port('nginx', count)};" for i in range(count))
        lines += [f"upstream b{count} {{ {servers} }}",
                  f"server {{ listen {SERVICES['nginx']}:{port('nginx', count)} backlog=4096; proxy_pass b{count}; }}"]
    return start_proxy(segment, "nginx", counts, [*lines, "}"], ["-c"])


def start_proxy(segment, name, counts, lines, options):
    path = segment.directory / f"{name}.conf"
    path.write_text("\n".join(lines) + "\n")
    segment.batch(name, [f"addr add {SERVICES[name]}/32 dev {name}"])
    process = segment.start(name, GATEWAY, [PROGRAMS[name][0], *options, path], f"{name}.log")

    def listens():
        if process.poll() is not None:
            raise BenchError(f"{name} ended: {segment.log(name + '.log')}")
        return segment.inside(name, "ss", "-Htln").count(SERVICES[name]) >= len(counts)

    eventually(listens, lambda: f"{name} does not listen: {segment.log(name + '.log')}")
    time.sleep(0.2)  # nginx listens before it has its worker
    return with_children(process.pid)


START = {"usher": start_usher, "route": start_route, "xdp": start_xdp, "nft": start_nft, "haproxy": start_haproxy, "nginx": start_nginx}


def start_servers(segment, counts):
    namespaces = [f"/run/netns/{segment.namespace(node)}" for node in segment.server_nodes()]
    process = segment.start("net", ENDS, [BUILD / "tests/bench/path/serve", ",".join(map(str, ports(counts))), *namespaces], "serve.log",
                            stdout=subprocess.PIPE, stderr=None)
    if process.stdout.readline().strip() != b"ready":
        raise BenchError("the servers did not start")
    return process


def start_all(segment, counts, threads):
    """All of NAMES. threads: the NAPI threads that there are already, by gateway."""
    tasks = {name: threads.get(name, []) + start(segment, counts) for name, start in START.items()}
    return [Contender(name, tasks.get(name.split("-")[0], [])) for name in NAMES]


def versions():
    """What stood in the ring, for the report."""
    return {"haproxy": run(PROGRAMS["haproxy"][0], "-v").split("\n")[0].split(" - ")[0],
            "nginx": run(PROGRAMS["nginx"][0], "-v").strip().removeprefix("nginx version: "),
            "nftables": run(PROGRAMS["nft"][0], "--version").split("(")[0].strip()}
