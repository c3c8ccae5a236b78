"""A laboratory with a running usherd, for one test script: real clients, real servers, a real daemon.

    with Stage() as stage:
        stage.usher("apply", path)
        stage.check("an EU client is answered from the EU", condition, "what was seen")

Each check is a line of TAP. Whatever happens, daemon and laboratory are gone at the end.
"""

import copy
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("USHER_BUILD", ROOT / "build"))
LAB = ROOT / "scripts" / "lab"
BACKENDS = ("fra1", "dub1", "par1", "iad1", "iad2")
EU_BACKENDS = {"fra1", "dub1", "par1"}
US_BACKENDS = {"iad1", "iad2"}
VIP4, VIP6, VIP4_L2, VIP6_L2 = "198.51.100.10", "[2001:db8:100::10]", "198.51.100.11", "[2001:db8:100::11]"


def eventually(condition, seconds=10, pause=0.05):
    """The first true value of condition(), or its last one."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(pause)
    return value


class Stage:
    def __init__(self, policy=None, arguments=(), start=True):
        self.name = f"test-{os.getpid()}"
        self.environment = {**os.environ, "LAB": self.name}
        self.run = pathlib.Path("/run/usher-lab") / self.name
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="usher-lab-test-"))
        self.socket = self.directory / "control.sock"
        self.audit_directory = self.directory / "audit"
        self.state_directory = self.directory / "state"
        self.log_path = self.directory / "usherd.log"
        self.arguments = list(arguments)
        self.policy = copy.deepcopy(policy) if policy else lab_policy()
        self.daemon = None
        self.start = start
        self.processes = []
        self.count = 0
        self.failed = 0

    # ---- life --------------------------------------------------------------------------------------------

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        subprocess.run([LAB, "up"], env=self.environment, check=True, stdout=subprocess.DEVNULL)
        try:
            if self.start:
                self.start_daemon()
        except BaseException:
            self.clear_away()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind and not issubclass(kind, (SystemExit, KeyboardInterrupt)):
                print(f"# daemon's log:\n{indented(self.log()[-4000:])}")
        finally:
            self.clear_away()
        print(f"1..{self.count}", flush=True)
        if not kind and self.failed:
            sys.exit(1)

    def clear_away(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        subprocess.run([LAB, "down"], env=self.environment, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start_daemon(self, policy=True, arguments=(), wait=True, interfaces=("eth0",), before=()):
        """Starts usherd in the gateway; policy False: it has to find its last good one. before: words that a command begins with which runs it."""
        path = self.write_policy(self.policy)
        command = [LAB, "exec", "gw", *before, BUILD / "usherd", *(word for name in interfaces for word in ("--interface", name)),
                   "--socket", self.socket,
                   "--state-dir", self.state_directory, "--audit-dir", self.audit_directory, "--flows", "262144",
                   *(["--policy", path] if policy else []), *self.arguments, *arguments]
        with open(self.log_path, "ab") as log:
            self.daemon = subprocess.Popen([str(word) for word in command], env=self.environment, stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log)
        self.processes.append(self.daemon)
        if not wait:
            return
        ready = eventually(lambda: self.daemon.poll() is not None or self.status().get("generation"), 60)
        if not ready or self.daemon.poll() is not None:
            raise RuntimeError(f"usherd did not start:\n{self.log()[-3000:]}")

    def all_healthy(self):
        """Waits until every backend's health is known to be good and it has a next hop."""
        def healthy():
            backends = self.show("backends")
            return backends and all(backend["reason"] is None for backend in backends)
        if not eventually(healthy, 60):
            raise RuntimeError(f"backends do not become ready: {self.show('backends')}")

    def kill_daemon(self, number=signal.SIGKILL):
        self.daemon.send_signal(number)
        self.daemon.wait(10)

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    # ---- the command -------------------------------------------------------------------------------------

    def write_policy(self, policy, name="policy.json"):
        path = self.directory / name
        path.write_text(policy if isinstance(policy, str) else json.dumps(policy, indent=1))
        return path

    def usher(self, *words, check=True, timeout=60):
        """usher WORDS...: the finished process; check: must exit with 0."""
        done = subprocess.run([BUILD / "usher", "-s", self.socket, *map(str, words)], capture_output=True, text=True,
                              timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"usher {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def apply(self, policy, *words, check=True):
        return self.usher("apply", self.write_policy(policy, "candidate.json"), *words, check=check)

    def status(self):
        done = self.usher("-j", "show", "generation", check=False)
        try:
            answer = json.loads(done.stdout)
        except json.JSONDecodeError:
            return {}
        return answer.get("generation", {}) if isinstance(answer.get("generation"), dict) else answer

    def show(self, what):
        answer = json.loads(self.usher("-j", "show", what).stdout)
        return answer.get(what, answer) if isinstance(answer, dict) else answer

    # ---- the people in the story -------------------------------------------------------------------------

    def client(self, node, *words):
        done = subprocess.run([LAB, "client", node, *map(str, words), "--json"], env=self.environment, capture_output=True,
                              text=True, timeout=180, check=True)
        return json.loads(done.stdout)

    def client_begin(self, node, *words):
        process = subprocess.Popen([LAB, "client", node, *map(str, words), "--json"], env=self.environment, text=True,
                                   stdout=subprocess.PIPE)
        self.processes.append(process)
        return process

    def open_streams(self, node, vip, count, *words):
        """Begins so many token streams there. All are open when this returns, however long their client takes to start."""
        flows = self.show("stats")["flows"]["inserted"]
        process = self.client_begin(node, "stream", "--url", f"http://{vip}:443/v1/stream", "--streams", count, *words)
        if not eventually(lambda: self.show("stats")["flows"]["inserted"] >= flows + count, 30):
            raise RuntimeError(f"{count} streams do not come about: {self.show('stats')['flows']}")
        return process

    def flood(self, node, first, sources, address=VIP4, connections=4096):
        """SYNs from so many addresses from `first` on, of so many connections, until it is terminated; then it prints how many."""
        mac = self.in_node("gw", "cat", "/sys/class/net/eth0/address").stdout.strip()
        words = (LAB, "exec", node, sys.executable, "-B", ROOT / "scripts" / "lab.d" / "flood.py", "eth0", mac, first, sources, address, "443", connections)
        process = subprocess.Popen([str(word) for word in words], env=self.environment, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    @staticmethod
    def result(process, seconds=120):
        return json.loads(process.communicate(timeout=seconds)[0])

    def in_node(self, node, *words, check=True):
        return subprocess.run([LAB, "exec", node, *map(str, words)], env=self.environment, capture_output=True, text=True,
                              check=check)

    def server_pid(self, node):
        return int((self.run / "pid" / node).read_text().split()[0])

    def server_log(self, node):
        time.sleep(0.06)
        lines = (self.run / "log" / f"{node}.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def overflowed(self):
        """Frames that the lab's links had no room for, in both directions: a veth holds 256. Seen from the switch, where each counts once:
        what a node sent too fast is `rx_dropped` of its port (also what the gateway's program sent back), what it took too slowly
        `tx_dropped`."""
        count = "cat /sys/class/net/*/statistics/[rt]x_dropped"
        return sum(int(line) for line in self.in_node("net", "sh", "-c", count).stdout.split())

    # ---- the record --------------------------------------------------------------------------------------

    def records(self):
        """Every record so far, in the order of the files."""
        time.sleep(0.3)
        records = []
        for text in self.record_files():
            records += map(json.loads, text.splitlines())
        return records

    def record_files(self):
        """The text of each of the audit log's files, in their order, compressed or not."""
        for _ in range(20):
            names = sorted({path.name.removesuffix(".zst") for pattern in ("*.jsonl", "*.jsonl.zst")
                            for path in self.audit_directory.glob(pattern)})
            try:
                return [self.record_file(self.audit_directory / name) for name in names]
            except FileNotFoundError:  # it was compressed, or deleted, between its being listed and read
                pass
        raise RuntimeError(f"the files in {self.audit_directory} do not stay")

    @staticmethod
    def record_file(path):
        try:
            return path.read_text()
        except FileNotFoundError:
            with open(f"{path}.zst", "rb") as packed:
                return subprocess.run(["zstd", "-dcq"], stdin=packed, capture_output=True, check=True).stdout.decode()

    # ---- results -----------------------------------------------------------------------------------------

    def check(self, name, condition, seen=""):
        self.count += 1
        if condition:
            print(f"ok {self.count} - {name}", flush=True)
            return
        self.failed += 1
        print(f"not ok {self.count} - {name}", flush=True)
        if seen != "":
            print(indented(f"seen: {seen}"), flush=True)

    def note(self, text):
        print(f"# {text}", flush=True)

    def check_conservation(self):
        """At rest: received = sum of verdicts, for each service and in all."""
        def balanced():
            wrong = []
            for service in self.show("services"):
                out = sum(counter["packets"] for reasons in service["verdicts"].values() for counter in reasons.values())
                if out != service["received"]["packets"]:
                    wrong.append((service["name"], service["received"]["packets"], out))
            stats = self.show("stats")
            out = sum(counter["packets"] for reasons in stats["verdicts"].values() for counter in reasons.values())
            if out != stats["received"]["packets"]:
                wrong.append(("all", stats["received"]["packets"], out))
            return wrong
        # Packets still come in between the reading of two counters: at rest one of a few looks must balance.
        wrong = balanced()
        for _ in range(20):
            if not wrong:
                break
            time.sleep(0.1)
            wrong = balanced()
        self.check("packets in = forwarded + passed + refused + dropped + revoked, per service", not wrong, wrong)
        self.check_record()

    def check_record(self):
        """Nothing in the audit log has been edited or is missing, whatever this test has done to the daemon."""
        done = subprocess.run([BUILD / "usher", "audit", "verify", "--dir", self.audit_directory], capture_output=True, text=True,
                              check=False)
        self.check("the record is as it was written", done.returncode == 0, done.stdout + done.stderr)


def lab_policy():
    return json.loads((ROOT / "scripts" / "lab.d" / "policy.json").read_text())


def indented(text):
    return "\n".join(f"#   {line}" for line in text.splitlines())
