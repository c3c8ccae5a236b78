#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""An option of usherd's that cannot be what it is given says what it can be. All of them are refused before anything is opened."""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
USHERD = pathlib.Path(os.environ.get("USHER_BUILD", ROOT / "build")) / "usherd"

scratch = tempfile.TemporaryDirectory(prefix="usher-options-")


def folder(name, mode=0o755, **files):
    """Of approvers' keys; NAME: what lies there as NAME.pem."""
    path = pathlib.Path(scratch.name, name)
    path.mkdir()
    for file, text in files.items():
        (path / f"{file}.pem").write_text(text)
    path.chmod(mode)
    return str(path)


def key(kind="ed25519"):
    private = subprocess.run(["openssl", "genpkey", "-algorithm", kind], check=True, capture_output=True).stdout
    return subprocess.run(["openssl", "pkey", "-pubout"], input=private, check=True, capture_output=True).stdout.decode()


ANNA, BEN = key(), key()
REFUSED = (
    (("--approvals", "0"), "--approvals cannot be 0: it is a number from 1 to 16"),
    (("--approvals", "17"), "--approvals cannot be 17: it is a number from 1 to 16"),
    (("--approvals", "2"), "--approvers DIR says who approves policies, and --approvals N how many of them have to: one needs the other"),
    (("--approvers", "/etc"), "--approvers DIR says who approves policies, and --approvals N how many of them have to: one needs the other"),
    (("--approvers", "/nonexistent", "--approvals", "1"), "/nonexistent cannot be read: No such file or directory"),
    (("--approvers", folder("none"), "--approvals", "1"), "1 have to approve, and"),
    (("--approvers", folder("few", anna=ANNA, ben=BEN), "--approvals", "3"), "has the keys of 2"),
    (("--approvers", folder("twice", anna=ANNA, zoe=ANNA), "--approvals", "1"), "anna and zoe in"),
    (("--approvers", folder("x25519", anna=ANNA, ben=key("x25519")), "--approvals", "1"), "ben.pem is not an Ed25519 public key in PEM form"),
    (("--approvers", folder("text", anna="key"), "--approvals", "1"), "anna.pem is not an Ed25519 public key in PEM form"),
    (("--approvers", folder("open", 0o777, anna=ANNA), "--approvals", "1"), "open can be written by others than root"),
    (("--flows", "1000"), "--flows cannot be 1000: it is a power of two from 1024 to 8388608"),
    (("--flows", "512"), "--flows cannot be 512: it is a power of two from 1024 to 8388608"),
    (("--half-open", "0"), "--half-open cannot be 0: it is a number from 1 to 8388608"),
    (("--replies", "-1"), "--replies cannot be -1: it is a number from 0 to 1000000"),
    (("--records", "9"), "--records cannot be 9: it is a number from 10 to 1000000"),
    (("--xdp-priority", "65536"), "--xdp-priority cannot be 65536: it is a number from 0 to 65535"),
    (("--mode", "skb"), "--mode cannot be skb: it is auto, native or generic"),
    (("--metrics", "9464"), "--metrics cannot be 9464: it is ADDRESS:PORT, or off"),
    (("--audit-segment-size", "1023K"), "--audit-segment-size cannot be 1023K: it is a size from 1M to 1G"),
    (("--audit-segment-size", "2G"), "--audit-segment-size cannot be 2G: it is a size from 1M to 1G"),
    (("--audit-segment-age", "59s"), "--audit-segment-age cannot be 59s: it is a duration from 1m to 365d"),
    (("--audit-segment-age", "24"), "--audit-segment-age cannot be 24: it is a duration from 1m to 365d"),
    (("--audit-sync", "always"), "--audit-sync cannot be always: it is batch, second or never"),
    (("--ship", "syslog://logs:514"), "--ship cannot be syslog://logs:514: it is journald, syslog+tls://HOST:PORT, syslog+tcp://HOST:PORT, "
     "kafka+tls://BROKER:PORT[,BROKER:PORT...]/TOPIC or kafka://... without TLS"),
    (("--ship", "journald", "--ship", "journald"), "--ship cannot be journald: it is each destination once"),
    (tuple(word for n in range(1, 10) for word in ("--ship", f"syslog+tcp://logs:{n}")), "--ship cannot be syslog+tcp://logs:9: it is up to 8 destinations"),
    (("--ship-facility", "local8"), "--ship-facility cannot be local8: it is a facility of syslog: local0 to local7, audit, authpriv, daemon, ..."),
    (("--ship-cert", "/etc/cert.pem"), "--ship-cert and --ship-key go together"),
    (("--ship-key", "/etc/key.pem"), "--ship-cert and --ship-key go together"),
    (("--audit-flow-ends=yes",), "option '--audit-flow-ends' doesn't allow an argument"),
    (("--interface", "lo"), "--interface cannot be lo: it is a name of up to 15 bytes, up to 8 of them, each once"),
    (("--interface", "sixteen-bytes-xx"), "--interface cannot be sixteen-bytes-xx: it is a name of up to 15 bytes, up to 8 of them, each once"),
)

print(f"1..{len(REFUSED)}")
failed = 0
for number, (words, sentence) in enumerate(REFUSED, 1):
    done = subprocess.run([USHERD, "--interface", "lo", *words], capture_output=True, text=True, timeout=20, check=False)
    good = done.returncode == 2 and sentence in done.stderr
    failed += not good
    print(f"{'ok' if good else 'not ok'} {number} - {' '.join(words)}" + ("" if good else f"\n# {done.returncode} {done.stderr}"))
sys.exit(1 if failed else 0)
