# SPDX-License-Identifier: GPL-2.0-only
"""One network segment in network namespaces: a client, a hundred servers, one gateway for each contender.

Who runs where: everything runs on processor ENDS, only what a gateway does runs on processor GATEWAY. A veth hands frames over on the
sender's processor; with threaded NAPI (/sys/class/net/IF/threaded) a kernel thread takes them instead, and that thread can be pinned. So the
gateway's end of its link has its thread on GATEWAY, and what a gateway sends is taken on ENDS: by a thread of the segment's end where frames are
XDP's, by receive packet steering (rps_cpus) where they are the kernel's.

Whatever happens, clear_away() leaves nothing: all names begin with what is given to Segment(), and a namespace that goes takes its devices along.
"""

import os
import pathlib
import subprocess

ENDS, GATEWAY = 0, 1
CLIENT, CLIENT_ADDRESSES = "203.0.113.1", 16  # a client of sixteen addresses
DIRECT, ROUTED = "10.1.0.1", "10.2.0.1"  # the first server's; ROUTED is reached, and answers, through the gateway "route"
HERE = pathlib.Path(__file__).resolve().parent
LAB_PARTS = HERE.parents[2] / "scripts" / "lab.d"


class BenchError(Exception):
    """What stops the bench, in words for whoever called it."""


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, words))[:200]}: {done.stdout.strip()[-600:]}")
    return done.stdout


def nth(address, n):
    """The address n after another of the same /24."""
    head, last = address.rsplit(".", 1)
    return f"{head}.{int(last) + n}"


class Segment:
    def __init__(self, name, servers, directory):
        self.name, self.servers, self.directory = name, servers, pathlib.Path(directory)
        self.processes, self.segment_threads, self.macs = [], [], {}

    def namespace(self, node):
        return f"{self.name}-{node}"

    def server_nodes(self):
        return [f"s{i}" for i in range(1, self.servers + 1)]

    # ---- life --------------------------------------------------------------------------------------------

    def up(self, gateways, services):
        """gateways: name -> (addresses, the host's own first and then those that it will answer for, whether XDP will run there).
        services: addresses that each server holds, and keeps quiet about. Returns the NAPI threads of gateways without XDP: name -> [number]."""
        for folder, program in ((LAB_PARTS, "pass"), (LAB_PARTS, "decapsulate"), (HERE, "floor")):
            run("clang", "-O2", "-Wall", "-Werror", "-target", "bpf", "-c", folder / f"xdp_{program}.bpf.c",
                "-o", self.directory / f"{program}.o")
        nodes = ["net", "client", *self.server_nodes(), *gateways]
        self.macs = {node: f"02:00:00:00:{kind:02x}:{i:02x}" for kind, group in enumerate((["client"], gateways, self.server_nodes()), 1)
                     for i, node in enumerate(group, 1)}
        at_client = {nth(CLIENT, i): "client" for i in range(CLIENT_ADDRESSES)}
        at_gateways = {address: name for name, (addresses, _) in gateways.items() for address in addresses}
        at_servers = {nth(first, i): node for i, node in enumerate(self.server_nodes()) for first in (DIRECT, ROUTED)}
        for node in nodes:
            run("ip", "netns", "add", self.namespace(node))
        links = ["link set dev lo up", "link add name segment type bridge stp_state 0 mcast_snooping 0 forward_delay 0",
                 "link set dev segment up"]
        for node in nodes[1:]:
            links += [f"link add name {node} type veth peer name {node} address {self.macs[node]} netns {self.namespace(node)}",
                      f"link set dev {node} master segment up"]
        self.batch("net", links)
        # The segment is a wire: no rules look at what crosses it.
        self.inside("net", "sysctl", "-qw", *(f"net.bridge.bridge-nf-call-{what}=0" for what in ("iptables", "ip6tables", "arptables")))
        self.client_up({**at_gateways, **at_servers})
        for node in self.server_nodes():
            self.server_up(node, services, gateways, {**at_client, **at_gateways})
        return {name: self.gateway_up(name, addresses[0], has_xdp, {**at_client, **at_servers})
                for name, (addresses, has_xdp) in gateways.items()}

    def clear_away(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout.split()
        for namespace in listed:
            if namespace.startswith(self.name + "-"):
                subprocess.run(["ip", "netns", "del", namespace], check=False)

    # ---- reaching in -------------------------------------------------------------------------------------

    def batch(self, node, lines):
        run("ip", "-n", self.namespace(node), "-batch", "-", input="\n".join(lines))

    def inside(self, node, *words):
        return run("nsenter", f"--net=/run/netns/{self.namespace(node)}", *words)

    def start(self, node, processor, words, log, **options):
        """A process of ours in a node, with a /sys of that node and a BPF file system of its own; its log is kept beside it."""
        setup = 'mount -t sysfs none /sys && mount -t bpf none /sys/fs/bpf && exec "$@"'
        with open(self.directory / log, "wb") as out:
            process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.namespace(node)}", "taskset", "-c", str(processor), "unshare", "--mount",
                 "sh", "-c", setup, "sh", *map(str, words)],
                stdin=subprocess.DEVNULL, **{"stdout": out, "stderr": subprocess.STDOUT, **options})
        self.processes.append(process)
        return process

    def log(self, name):
        return (self.directory / name).read_text(errors="replace").strip()[-800:]

    def system(self, node, command):
        """A command of the shell's that sees the node's /sys."""
        self.inside(node, "unshare", "--mount", "sh", "-ec", f"mount -t sysfs none /sys && {command}")

    # ---- nodes -------------------------------------------------------------------------------------------

    def offloads(self, node, device, **what):
        self.inside(node, "ethtool", "-K", device, *(word for key, value in what.items() for word in (key, value)))

    def xdp(self, node, device, program):
        self.inside(node, "unshare", "--mount", "sh", "-c", 'mount -t bpf none /sys/fs/bpf && exec ip link set dev "$1" xdpdrv obj "$2" sec xdp',
                    "sh", device, self.directory / f"{program}.o")

    def settings(self, node, *more):
        self.inside(node, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                    "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.default.send_redirects=0",
                    f"net.ipv4.conf.{node}.send_redirects=0", f"net.ipv4.conf.{node}.rp_filter=0", "net.ipv4.conf.all.accept_redirects=0",
                    "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1", "net.core.somaxconn=4096",
                    "net.ipv4.tcp_max_syn_backlog=8192", *more)

    def addresses(self, node, own, neighbours, lo=()):
        """neighbours: address -> node. All are told, none is asked for: the kernel keeps only so many that it learned, in all namespaces together."""
        self.batch(node, ["link set dev lo up", f"link set dev {node} up", *(f"addr add {address}/32 dev {node}" for address in own),
                          *(f"addr add {address}/32 dev lo" for address in lo),
                          *(f"route add {prefix} dev {node} src {own[0]}" for prefix in
                            ("10.0.0.0/8", "198.51.100.0/24", "203.0.113.0/24")),
                          *(f"neigh add {address} lladdr {self.macs[other]} dev {node} nud permanent" for address, other in neighbours.items())])

    def client_up(self, neighbours):
        self.settings("client")
        # What leaves the ends is what would be on a wire: no larger than the MTU, its checksum complete. What arrives may be merged.
        self.offloads("client", "client", tx="off", tso="off", gso="off", gro="on")
        self.addresses("client", [nth(CLIENT, i) for i in range(CLIENT_ADDRESSES)], neighbours)
        self.offloads("net", "client", tx="off", tso="off", gso="off")

    def server_up(self, node, services, gateways, neighbours):
        index = int(node[1:]) - 1
        self.settings(node, "net.ipv4.conf.all.arp_ignore=1", f"net.ipv4.conf.{node}.arp_ignore=1",
                      "net.ipv4.conf.all.arp_announce=2", f"net.ipv4.conf.{node}.arp_announce=2")
        self.offloads(node, node, tx="off", tso="off", gso="off", gro="on")
        self.addresses(node, [nth(DIRECT, index), nth(ROUTED, index)], neighbours, services)
        self.offloads("net", node, tx="off", tso="off", gso="off")
        self.xdp(node, node, "decapsulate")
        if "route" in gateways:
            via = gateways["route"][0][0]
            self.batch(node, [f"route add default via {via} dev {node} table 7", f"rule add from {nth(ROUTED, index)} lookup 7 priority 7"])

    def gateway_up(self, name, address, has_xdp, neighbours):
        self.settings(name, "net.ipv4.ip_forward=1")
        # With XDP frames are taken as they come and go. A kernel's own stack gets what a card would give it: merged segments in, large
        # ones and unfinished checksums out, which the segment's end then sees to, as a card would.
        self.offloads(name, name, **({"tx": "off", "tso": "off", "gso": "off", "gro": "off"} if has_xdp else {"gro": "on"}))
        self.addresses(name, [address], neighbours)
        self.offloads("net", name, tx="off", tso="off", gso="off", gro="off")
        # A queue that waits while the veth's ring of 256 is full, instead of dropping: a sender here is no network that paces it.
        self.inside("net", "tc", "qdisc", "add", "dev", name, "root", "pfifo", "limit", "10000")
        if has_xdp:
            self.xdp("net", name, "pass")
            self.segment_threads.append(self.thread("net", name, ENDS))
            return []
        # A veth whose peer has TSO does not let NAPI take its packets.
        self.system("net", f'echo {1 << ENDS:x} > "/sys/class/net/{name}/queues/rx-0/rps_cpus"')
        return [self.thread(name, name, GATEWAY)]

    # ---- who runs where ----------------------------------------------------------------------------------

    def thread(self, node, device, processor):
        """Gives a device's NAPI a thread of its own, pinned; returns the thread's number."""
        before = napi_threads(device)
        self.system(node, f'echo 1 > "/sys/class/net/{device}/threaded"')
        new = napi_threads(device) - before
        if len(new) != 1:
            raise BenchError(f"{device} of {node} has {len(new)} new NAPI threads instead of one: this kernel does not move its work to a "
                             "processor of our choice")
        pid = new.pop()
        run("taskset", "-cp", processor, pid)
        # As the interrupts that it stands for: what arrives is taken before what a process wants to do.
        run("chrt", "-f", "-p", "1", pid)
        return pid


def napi_threads(device):
    found = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            name = pathlib.Path(entry.path, "comm").read_text()
        except OSError:
            continue
        if name.startswith(f"napi/{device}-"):
            found.add(int(entry.name))
    return found
