#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Every example passes parser and schema without a word; every rejected document gets exactly the message beside it, and is refused
by the schema as well, unless its fault is one that no schema can see. Documents of megabytes are made here."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[3]
USHER = pathlib.Path(os.environ.get("USHER_BUILD", ROOT / "build")) / "usher"
POLICIES = ROOT / "policies"

# Faults between parts of a document, or of its bytes after they have been read: the schema takes these documents.
BEYOND_SCHEMA = {
    "audit-client-key-plain", "audit-client-key-short", "audit-retain-short",
    "backend-address-is-service", "backend-address-loopback", "backend-address-multicast", "backend-capacity-exponent",
    "backend-health-timeout", "backend-telemetry-every-short", "backend-telemetry-stale", "backend-telemetry-timeout",
    "backend-verify-digest", "backend-verify-placeholder", "backend-verify-stale", "backend-verify-timeout", "backend-l2-port", "backend-tunnel-port", "backend-serves-unknown-model", "backend-serves-unknown-version",
    "evaluator-multicast", "evaluator-stale", "evaluator-timeout", "gate-breach-everything", "gate-buckets-fall", "gate-expected-count",
    "gate-group-with-itself", "gate-hysteresis-inverted", "gate-label-of-group", "gate-label-placeholder", "gate-label-unclosed",
    "gate-of-backend", "gate-of-unknown", "gate-source-unknown",
    "model-outlier-longest", "model-outlier-window", "service-overflow-many", "service-overflow-shed-first", "service-surge-inverted",
    "json-byte-order-mark", "metadata-date", "nat-is-backend", "nat-is-service", "nat-missing",
    "nat-other-family", "region-country-uk", "region-country-unknown", "region-set-cycle", "region-set-includes-itself",
    "region-set-unresolved", "rule-id-twice", "rule-require-backend-unresolved", "rule-require-version-unresolved",
    "rule-reroute-cycle", "rule-reroute-other-protocol", "rule-reroute-to-itself", "rule-split-unknown-version",
    "rule-when-unresolved-region", "rule-when-unresolved-service", "rule-when-unresolved-tenant", "service-model",
    "service-same-address", "service-slow-start-long", "service-slow-start-short", "service-tenant",
    "rollout-every-long", "rollout-every-short", "rollout-need-not-judged", "rollout-need-on-backend", "rollout-need-unknown", "rollout-service", "rollout-to-itself", "rollout-twice",
    "rollout-version", "pool-dns-address", "pool-every-short", "pool-l2-port", "pool-members-many", "pool-name-long", "pool-name-of-backend",
    "pool-name-of-member", "pool-nat-other-family", "pool-region-unknown", "pool-server-name", "pool-serves-unknown-version",
    "pool-timeout-long", "pool-within-host-bits", "tenant-geo-database", "tenant-geo-empty", "tenant-geo-lines", "tenant-geo-tie", "tenant-geo-twice", "tenant-geo-unread",
    "tenant-prefix-host-bits", "tenant-prefix-tie",
}

validator = jsonschema.Draft202012Validator(json.loads((POLICIES / "schema.json").read_text()))
results = []


def check(name, good, seen=""):
    results.append(good)
    print(f"{'ok' if good else 'not ok'} {len(results)} - {name}")
    if not good:
        print("".join(f"#   {line}\n" for line in str(seen).splitlines()[:12]), end="", flush=True)


def strict(text):
    """JSON as RFC 8259 has it: no duplicate keys, no NaN."""
    def pairs(items):
        if len({key for key, _ in items}) != len(items):
            raise ValueError("duplicate key")
        return dict(items)

    def constant(word):
        raise ValueError(word)
    return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)


def schema_faults(path):
    try:
        document = strict(path.read_bytes().decode("utf-8-sig"))
        return [error.message for error in validator.iter_errors(document)]
    except (ValueError, RecursionError) as error:
        return [f"not JSON: {error}"]


def usher_check(folder, name):
    return subprocess.run([USHER, "check", name], cwd=folder, capture_output=True, text=True, errors="surrogateescape", timeout=120,
                          check=False)


def examples():
    found = sorted((POLICIES / "examples").glob("*.json"))
    check("there are five examples at least", len(found) >= 5, found)
    for path in [*found, ROOT / "scripts" / "lab.d" / "policy.json"]:
        done = usher_check(path.parent, path.name)
        check(f"{path.name} is good, without a warning", done.returncode == 0 and not done.stderr, done.stderr)
        check(f"{path.name} agrees with the schema", not schema_faults(path), schema_faults(path))


def rejected():
    found = sorted((POLICIES / "rejected").glob("*.json"))
    check("there are 60 rejected documents at least", len(found) >= 60, len(found))
    check("each has its message, and each message its document",
          {p.stem for p in found} == {p.stem for p in (POLICIES / "rejected").glob("*.txt")})
    check("what is said to be beyond the schema exists", BEYOND_SCHEMA <= {p.stem for p in found},
          BEYOND_SCHEMA - {p.stem for p in found})
    for path in found:
        done = usher_check(path.parent, path.name)
        wanted = path.with_suffix(".txt").read_text(errors="surrogateescape")
        check(f"{path.stem} gets its message", done.returncode == 3 and done.stderr == wanted and wanted, done.stderr)
        faults = schema_faults(path)
        if path.stem in BEYOND_SCHEMA:
            check(f"{path.stem} is beyond the schema", not faults, faults)
        else:
            check(f"{path.stem} is refused by the schema too", faults, "the schema takes it")


BASE = {"apiVersion": "usher/v1", "models": {"m": {"versions": {"1": {"stage": "production"}}}}, "backends": {}, "services": {},
        "rules": [], "nat": {"addresses": ["10.255.0.1"]}}


def refused(folder, name, document, *words):
    path = folder / "large.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    done = usher_check(folder, path.name)
    check(f"{name} is refused, by name of the limit", done.returncode == 3 and all(word in done.stderr for word in words),
          (done.returncode, done.stderr[:600]))
    path.unlink()


def backends(count):
    return {f"b{n}": {"address": f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}:80", "serves": "m@1", "region": "DE"}
            for n in range(256, 256 + count)}


def limits(folder):
    refused(folder, "a document of 33 MiB", json.dumps(BASE) + " " * (33 << 20), "33554432")
    refused(folder, "4,097 backends", {**BASE, "backends": backends(4097)}, "4097", "4096")
    refused(folder, "257 services",
            {**BASE, "services": {f"s{n}": {"address": f"192.0.2.1:{n + 1}", "protocol": "tcp", "model": "m"} for n in range(257)}},
            "257", "256")
    refused(folder, "1,025 tenants", {**BASE, "tenants": {f"t{n}": {} for n in range(1025)}}, "1025", "1024")
    refused(folder, "4,097 rules", {**BASE, "rules": [{"id": f"r{n}", "allow": True} for n in range(4097)]}, "4097", "4096")
    sources = [{"prefix": f"{20 + (n >> 16)}.{n >> 8 & 255}.{n & 255}.0/24", "region": "DE"} for n in range(65537)]
    refused(folder, "65,537 source prefixes", {**BASE, "tenants": {"t": {"sources": sources}}}, "65537", "65536")


def retention(folder):
    """Legal, and suspicious: what is kept for less than six months."""
    example = json.loads((POLICIES / "examples" / "audit-required.json").read_text())
    path = folder / "retention.json"
    for retain, suspicious in (("1h", True), ("182d", True), ("183d", False), ("36500d", False)):
        path.write_text(json.dumps({**example, "audit": {"record": "every-flow", "retain": retain}}))
        done = usher_check(folder, path.name)
        check(f"records that are kept for {retain} {'draw a warning' if suspicious else 'draw none'}",
              done.returncode == 0 and ("Articles 19 and 26" in done.stderr and "audit.retain" in done.stderr) == suspicious
              and bool(done.stderr) == suspicious, done.stderr)
        check(f"the schema takes a retain of {retain}", not schema_faults(path), schema_faults(path))


def readme(folder):
    document = re.search(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    path = folder / "policy.json"
    path.write_text(document)
    done = usher_check(folder, path.name)
    check("the README's policy is good, without a warning", done.returncode == 0 and not done.stderr, done.stderr)
    check("the README's policy agrees with the schema", not schema_faults(path), schema_faults(path))
    for was, becomes in (('"DE-HE"', '"DE-H!"'), ('{"min": 0.9}', '{"min": "0.9"}'), ('"3.2.0": 5}', '"3.2": 5}')):
        document = document.replace(was, becomes)
    path.write_text(document)
    shown = re.search(r"\$ usher check policy.json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    check("the README's errors are what is said", usher_check(folder, path.name).stderr == shown, usher_check(folder, path.name).stderr)


examples()
rejected()
with tempfile.TemporaryDirectory() as directory:
    limits(pathlib.Path(directory))
    retention(pathlib.Path(directory))
    readme(pathlib.Path(directory))
print(f"1..{len(results)}")
sys.exit(0 if all(results) else 1)
