#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The command against a daemon of recorded answers: what it asks, what it prints, how it ends. Speaks TAP.

Expected output for people is in expected/NAME.txt; run with --write to record what is printed now, and read the diff.
"""
import base64
import csv
import hashlib
import hmac
import io
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
USHER = os.path.join(os.environ.get("USHER_BUILD", os.path.join(ROOT, "build")), "usher")
GOOD = os.path.join(ROOT, "scripts/lab.d/policy.json")
WRITE = "--write" in sys.argv[1:]
with open(os.path.join(HERE, "answers.json"), encoding="utf-8") as file:
    ANSWERS = json.load(file)

OK, NO, MISUSE, REFUSED, UNREACHABLE, SYSTEM, UNCONFIRMED = range(7)
EVERY_QUESTION = [["confirm"], ["rollback"], ["history"], ["show"], ["show", "services"], ["explain", "198.18.0.10", "credit"],
                  ["drain", "fra-1"], ["undrain", "fra-1"], ["quarantine", "credit-scorer@3.1.0", "--why", "biased"],
                  ["release", "--backend", "fra-1", "--why", "mended"], ["audit", "rotate-key", "--why", "due"], ["rollout", "pause", "r", "--why", "x"],
                  ["apply", GOOD], ["diff", GOOD]]
SHOWN = ["services", "tenants", "models", "backends", "routes", "quarantines", "gates", "evaluators", "surges", "rollouts", "ejections", "pools",
         "shipping", "flows", "facts", "stats", "generation"]

tests = []
scratch = tempfile.TemporaryDirectory(prefix="usher-cli-")


def test(function):
    tests.append(function)
    return function


class Daemon:
    """with Daemon({VERB: ANSWER}) as daemon: daemon.run("show", "services")"""
    count = 0

    def __init__(self, **changed):
        Daemon.count += 1
        self.path = os.path.join(scratch.name, f"{Daemon.count}.sock")
        self.log = os.path.join(scratch.name, f"{Daemon.count}.log")
        self.answers = os.path.join(scratch.name, f"{Daemon.count}.json")
        with open(self.answers, "w", encoding="utf-8") as file:
            json.dump({**ANSWERS, **{key.replace("_", " "): value for key, value in changed.items()}}, file)

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "fake_daemon.py"), self.path, self.answers,
                                         self.log], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def run(self, *arguments, **more):
        return run("-s", self.path, *arguments, **more)

    def asked(self):
        with open(self.log, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


class Ended:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr


def run(*arguments, stdin=None, environment=None):
    return Ended(subprocess.run([USHER, *arguments], input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                                capture_output=True, text=True, timeout=60, check=False,
                                env={**os.environ, "LC_ALL": "C", **(environment or {})}))


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def one_line(ended, status, *words):
    """It failed with this status and one line of explanation, which holds the words; nothing on standard output."""
    equal(ended.status, status, "exit status" + (f" ({ended.err.strip()})" if ended.err else ""))
    equal(ended.out, "", "standard output")
    equal(ended.err.count("\n"), 1, f"lines of {ended.err!r}")
    for word in words:
        holds(word in ended.err, f"{word!r} in {ended.err!r}")


def misused(*arguments, words=()):
    ended = run("-s", os.path.join(scratch.name, "nobody.sock"), *arguments)
    equal(ended.status, MISUSE, f"exit status of {arguments}")
    equal(ended.out, "", "standard output")
    holds("usage: see usher help" in ended.err, f"usage in {ended.err!r}")
    for word in words:
        holds(word in ended.err, f"{word!r} in {ended.err!r}")


def expected(name, text):
    path = os.path.join(HERE, "expected", name + ".txt")
    if WRITE:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        equal(text, file.read(), f"output, against expected/{name}.txt")


# ---- the command line ------------------------------------------------------------------------------------------------


@test
def help_lists_every_verb_and_explains_each():
    ended = run("help")
    equal(ended.status, OK, "exit status")
    for verb in ["check", "diff", "apply", "confirm", "rollback", "history", "show", "explain", "drain", "undrain",
                 "quarantine", "release", "rollout", "audit"]:
        holds(f"\n  {verb} " in ended.out, f"{verb} in the list")
        for arguments in (["help", verb], [verb, "--help"], [verb, "-h"]):
            one = run(*arguments)
            equal(one.status, OK, f"status of {arguments}")
            holds(one.out.startswith(f"usage: usher [-j] {verb}"), f"usage of {verb}")
    equal(run("--help").out, ended.out, "--help")
    with open(os.path.join(ROOT, "user/cli/show.c"), encoding="utf-8") as file:
        words = re.findall(r'\{"(\w+)", show_', file.read())
    for word in words:
        holds(f"{word}|" in run("help", "show").out or f"{word}]" in run("help", "show").out, f"{word} in help show")
    holds(len(words) > 10, "words of show")


@test
def wrong_command_lines_are_usage_errors():
    misused("frobnicate", words=["frobnicate"])
    misused("help", "frobnicate", words=["frobnicate"])
    misused("--frobnicate", words=["--frobnicate"])
    misused("-x", words=["-x"])
    misused("-s")
    misused("show", "everything", words=["everything"])
    misused("show", "flows", "routes", words=["routes"])
    misused("show", "-jx", words=["-x"])
    misused("show", "flows", "--limit", "0", words=["--limit"])
    misused("show", "flows", "--limit", "-1", words=["--limit"])
    misused("show", "flows", "--limit", "10x", words=["--limit"])
    misused("show", "--limit", "10")
    misused("show", "flows", "--limit", words=["--limit"])
    misused("confirm", "now")
    misused("history", "1", "2", words=["REVISION"])
    misused("history", "--document", words=["--document", "REVISION"])
    for verb in (["apply", GOOD], ["rollback"]):
        misused(*verb, "--why", "two\nlines", words=["--why", "256"])
        misused(*verb, "--signature", words=["--signature"])
    misused("check", GOOD, "--approvers", scratch.name, words=["--signature", "--approvers"])
    misused("diff", GOOD, "--against", words=["--against"])
    misused("drain", words=["BACKEND"])
    misused("undrain", "a", "b", words=["BACKEND"])
    for verb in ("quarantine", "release"):
        misused(verb, "--why", "x", words=["MODEL@VERSION", "--backend"])
        misused(verb, "m@1", "m@2", "--why", "x", words=["MODEL@VERSION"])
        misused(verb, "m@1", "--backend", "fra-1", "--why", "x", words=["takes one of"])
        misused(verb, "m@1", words=["--why"])
        misused(verb, "--backend", "fra-1", words=["--why"])
        misused(verb, "m@1", "--why", words=["--why"])
        for why in ("", "  ", "x" * 257, "two\nlines", "\x1b[31m", "\u202e", b"\xff"):
            misused(verb, "m@1", "--why", why, words=["--why", "256"])
    misused("audit", "rotate-key", words=["--why"])
    misused("audit", "rotate-key", "--why", "two\nlines", words=["--why", "256"])
    misused("audit", "rotate-key", "now", "--why", "x")
    for order in ("pause", "resume", "promote", "abort"):
        misused("rollout", order, "--why", "x", words=["pause, resume, promote or abort"])
        misused("rollout", order, "r", words=["--why"])
        misused("rollout", order, "r", "--why", "two\nlines", words=["--why", "256"])
    misused("rollout", "stop", "r", "--why", "x", words=["pause, resume, promote or abort", "stop"])
    misused("rollback", "1", "2", words=["REVISION"])
    misused("explain", "198.18.0.10", words=["SERVICE"])
    misused("explain", "198.18.0.10", "credit", "tcp")
    misused("apply", words=["FILE"])
    misused("diff", words=["FILE"])
    misused("audit", words=["tail"])
    misused("audit", "head", words=["head"])


@test
def a_time_to_confirm_in_has_a_unit_and_bounds():
    for time in ["60", "s", "-5s", " 5s", "1.5s", "5 s", "0s", "8d", "1000h", "99999999999999999999s", ""]:
        misused("apply", GOOD, "--confirm-within", time, words=["--confirm-within"])
    misused("apply", GOOD, "--dry-run", "--confirm-within", "60s")


@test
def options_work_on_both_sides_of_the_verb():
    with Daemon() as daemon:
        before = run("-j", "-s", daemon.path, "show", "flows")
        behind = run("show", "flows", "-j", "-s", daemon.path)
        between = run("show", "--json", "flows", f"--socket={daemon.path}")
        equal(before.status, OK, "exit status")
        equal(behind.out, before.out, "behind the verb")
        equal(between.out, before.out, "between")


# ---- when the daemon does not answer as it should ----------------------------------------------------------------------


@test
def no_daemon_is_status_4_and_names_the_socket():
    path = os.path.join(scratch.name, "nobody.sock")
    for question in EVERY_QUESTION:
        one_line(run("-s", path, *question), UNREACHABLE, path, "usherd")
    one_line(run("-s", "x" * 200, "history"), UNREACHABLE)


@test
def a_daemon_that_died_leaves_a_socket_that_nobody_answers():
    with Daemon() as daemon:
        pass
    holds(os.path.exists(daemon.path), "the socket is still there")
    one_line(daemon.run("history"), UNREACHABLE, daemon.path)


@test
def no_permission_is_status_5():
    if os.geteuid() != 0:
        return "needs root, to become somebody else"
    folder = os.path.join(scratch.name, "closed")
    os.mkdir(folder, mode=0o700)
    os.chmod(scratch.name, 0o755)
    binary = os.path.join(scratch.name, "usher")
    with open(USHER, "rb") as source, open(binary, "wb") as copy:
        copy.write(source.read())
    os.chmod(binary, 0o755)
    done = Ended(subprocess.run([binary, "-s", os.path.join(folder, "control.sock"), "history"], user=65534, group=65534,
                                extra_groups=[], capture_output=True, text=True, check=False))
    one_line(done, SYSTEM, "control.sock", "group usher")


@test
def an_answer_that_is_none_is_status_4():
    frames = ["", "{", "[]", "null", "{\"status\": 0} trailing", "{\"status\": 0}\0", {}, {"status": "0"}, {"status": 99},
              {"status": -1}, {"status": 1.5}, {"status": None}, None, "\u0000", "{\"a\":" * 100 + "1" + "}" * 100]
    for frame in frames:
        with Daemon(history={"frame": frame}) as daemon:
            one_line(daemon.run("history"), UNREACHABLE, daemon.path)


@test
def a_body_that_is_none_is_status_4():
    good = {"status": 0}
    answers = [{"frame": good}, {"frame": good, "body": ""}, {"frame": good, "body": "{"}, {"frame": good, "body": "{} {}"},
               {"frame": good, "body": "[" * 100 + "]" * 100},
               {"frame": good, "body": {"history": []}, "unsealed": True}]
    for answer in answers:
        with Daemon(history=answer) as daemon:
            equal(daemon.run("history").status in (UNREACHABLE, SYSTEM), True, f"status with {answer}")
            equal(daemon.run("history").out, "", "standard output")


@test
def a_body_of_another_shape_prints_dashes_and_does_not_crash():
    shapes = [{}, {"x": 1}, [], [1], "text", 7, None]
    for shape in shapes:
        answers = {"show_" + word: {"frame": {"status": 0}, "body": {word: shape}} for word in SHOWN}
        answers |= {"show_" + word: {"frame": {"status": 0}, "body": {word: [shape, {"name": [], "verdicts": [], "arms": [[]],
                    "versions": [[]], "addresses": [None]}]}} for word in SHOWN if shape == [1]}
        answers["history"] = {"frame": {"status": 0}, "body": {"history": [shape]}}
        answers["explain"] = {"frame": {"status": 0}, "body": {"steps": [shape], "candidates": [shape]}}
        with Daemon(**answers) as daemon:
            for question in [["show"], ["history"], ["explain", "a", "b"]] + [["show", word] for word in SHOWN]:
                equal(daemon.run(*question).status, OK, f"status of {question} with {shape!r}")


@test
def what_the_daemon_refuses_is_said_in_its_words_and_keeps_its_status():
    for status in range(1, 7):
        refusal = {"frame": {"status": status, "error": "because I say so"}}
        answers = {verb: refusal for verb in ("confirm", "rollback", "history", "explain", "drain", "undrain", "quarantine",
                                              "release", "rollout", "rotate-key", "apply", "policy", "status", "show_services")}
        with Daemon(**answers) as daemon:
            for question in EVERY_QUESTION:
                if question[0] == "diff" and status == NO:
                    continue  # no policy yet: everything is new
                one_line(daemon.run(*question), status, "because I say so", f"usher {question[0]}: ")


# ---- what it prints ----------------------------------------------------------------------------------------------------


@test
def show_prints_tables_that_line_up():
    with Daemon() as daemon:
        for word in SHOWN:
            ended = daemon.run("show", word)
            equal(ended.status, OK, "exit status")
            equal(ended.err, "", "standard error")
            expected(f"show_{word}", ended.out)


@test
def bare_usher_is_show():
    with Daemon() as daemon:
        ended = daemon.run()
        equal(ended.status, OK, "exit status")
        expected("show", ended.out)
        equal(daemon.run("show").out, ended.out, "usher show")


@test
def doctor_says_what_is_odd_about_metrics():
    with Daemon() as daemon:
        ended = daemon.run("doctor", "telemetry")
        equal(ended.status, NO, "exit status")
        equal(ended.err, "", "standard error")
        expected("doctor_telemetry", ended.out)
        equal(daemon.run("-j", "doctor", "telemetry").status, NO, "exit status with -j")
        equal(daemon.run("doctor").status, MISUSE, "without a word")
        equal(daemon.run("doctor", "weather").status, MISUSE, "of something else")
    good = ANSWERS["show facts"]["body"]["facts"][:1] + ANSWERS["show facts"]["body"]["facts"][3:]
    nothing = {"show_" + word: {"frame": {"status": 0}, "body": {word: []}} for word in ("gates", "evaluators", "rollouts", "pools")}
    with Daemon(show_facts={"frame": {"status": 0}, "body": {"facts": good}}, **nothing) as daemon:
        ended = daemon.run("doctor", "telemetry")
        equal(ended.status, OK, "exit status where nothing is")
        expected("doctor_nothing", ended.out)


@test
def doctor_says_what_keeps_the_record_from_the_disk():
    stats = ANSWERS["show stats"]["body"]["stats"]
    with Daemon() as daemon:
        ended = daemon.run("doctor", "audit")
        equal((ended.status, ended.out, ended.err), (OK, "nothing odd about the record\n", ""), "where nothing is")
        equal(json.loads(daemon.run("-j", "doctor", "audit").out), stats["audit"], "with -j")
    for wrong, said in [({"error": "No space\x1b[2J left"}, "audit: it cannot be written: No space?[2J left\n"),
                        ({"behind_ms": 61000}, "audit: records have waited for the disk for 61 s\n"),
                        ({"behind_ms": 4999}, None),
                        ({"unsynced_bytes": 300 << 20}, "audit: 315 MB of it are not on the disk yet: with 537 MB records wait in memory\n"),
                        ({"unsynced_bytes": 200 << 20}, None),
                        ({"disk_free": 1 << 20}, "audit: its disk has 1.0 MB of 537 GB left\n"),
                        ({"disk_free": 20 << 30}, "audit: its disk has 21.5 GB of 537 GB left\n"),
                        ({"disk_size": 0}, None),
                        ({"segment_error": "Input/output error"}, "audit: closed files cannot be compressed or deleted: Input/output error\n"),
                        ({"witness_error": "Read-only"}, "audit: the witness cannot be written: Read-only\n"),
                        ({"segments_lost": 2}, "audit: 2 files were deleted, or lost to a disk that failed, while they were written to\n"),
                        ({"lost": 1200, "gaps": 3}, "audit: 1,200 decisions are lost in 3 gaps\n")]:
        answer = {"frame": {"status": 0}, "body": {"stats": {**stats, "audit": {**stats["audit"], **wrong}}}}
        with Daemon(show_stats=answer) as daemon:
            ended = daemon.run("doctor", "audit")
            equal((ended.status, ended.out), (NO, said) if said else (OK, "nothing odd about the record\n"), wrong)
            equal(daemon.run("-j", "doctor", "audit").status, NO if said else OK, "exit status with -j")


@test
def doctor_says_which_sources_of_pools_are_bad():
    with Daemon() as daemon:
        ended = daemon.run("doctor", "pools")
        equal((ended.status, ended.out.count("\n"), ended.err), (NO, 1, ""), "what it says")
        holds(ended.out.startswith("canary: canary.example.com: 10.9.0.1 is in none"), ended.out)
        holds("\x1b[2J" not in ended.out, "no control characters")
        equal(json.loads(daemon.run("-j", "doctor", "pools").out), ANSWERS["show pools"]["body"], "with -j")
    with Daemon(show_pools={"frame": {"status": 0}, "body": {"pools": ANSWERS["show pools"]["body"]["pools"][1:]}}) as daemon:
        ended = daemon.run("doctor", "pools")
        equal((ended.status, ended.out), (OK, "nothing odd about the sources of 2 pools\n"), "where nothing is")


@test
def doctor_says_who_gets_no_records():
    with Daemon() as daemon:
        ended = daemon.run("doctor", "shipping")
        equal((ended.status, ended.err), (NO, ""), "what it says")
        equal(ended.out, "kafka://k1:9092/usher: k1:9092/bootstrap: Connect failed: Connection refused?[2J\n"
                         "syslog+tls://logs.example.com:6514: 2 files of the log were deleted before all of them was sent\n"
                         "syslog+tcp://10.0.0.9:601: ended: start usherd again\n", "of each")
        equal(json.loads(daemon.run("-j", "doctor", "shipping").out), ANSWERS["show shipping"]["body"], "with -j")
    with Daemon(show_shipping={"frame": {"status": 0}, "body": {"shipping": ANSWERS["show shipping"]["body"]["shipping"][:1]}}) as daemon:
        ended = daemon.run("doctor", "shipping")
        equal((ended.status, ended.out), (OK, "records go to all of 1 destinations\n"), "where all do")


@test
def nothing_to_show_is_said():
    lists = SHOWN[:SHOWN.index("stats")]
    answers = {"show_" + word: {"frame": {"status": 0}, "body": {word: []}} for word in lists}
    with Daemon(**answers, history={"frame": {"status": 0}, "body": {"history": []}}) as daemon:
        for word in lists:
            equal(daemon.run("show", word).out, f"no {word}\n", word)
        equal(daemon.run("history").out, "no policy was ever applied\n", "history")


@test
def json_is_what_the_daemon_said():
    with Daemon() as daemon:
        for word in SHOWN:
            equal(json.loads(daemon.run("-j", "show", word).out), ANSWERS[f"show {word}"]["body"], word)
        equal(json.loads(daemon.run("-j", "history").out), ANSWERS["history"]["body"], "history")
        ended = daemon.run("-j", "explain", "198.18.0.10", "credit")
        equal((ended.status, json.loads(ended.out)), (NO, ANSWERS["explain"]["body"]), "explain")
        for verb, operands in [("confirm", []), ("drain", ["fra-1"]), ("undrain", ["fra-1"]), ("quarantine", ["m@1", "--why", "x"]),
                               ("release", ["m@1", "--why", "x"])]:
            equal(json.loads(daemon.run("-j", verb, *operands).out), ANSWERS[verb]["frame"], verb)
        rollback = json.loads(daemon.run("-j", "rollback").out)
        equal(rollback, {**ANSWERS["rollback"]["frame"], **ANSWERS["rollback"]["body"]}, "rollback")
        overview = json.loads(daemon.run("-j").out)
        equal(sorted(overview), ["backends", "daemon", "gates", "pools", "quarantines", "rollouts", "services", "shipping", "stats"], "keys of the overview")
        holds("status" not in overview["daemon"], "the state of the exchange is no state of the daemon")


@test
def the_other_verbs_print_a_line():
    with Daemon() as daemon:
        equal(daemon.run("confirm").out, "confirmed: generation 8 stays\n", "confirm")
        equal(daemon.run("drain", "fra-1").out, "fra-1 drains: generation 9\n", "drain")
        equal(daemon.run("undrain", "fra-1").out, "fra-1 was not draining: generation 9\n", "undrain")
        ended = daemon.run("rollback", "41")
        equal(ended.out, "edge-fra revision 41, digest 001122334455: in force as generation 10, epoch 4\n", "rollback")
        equal(ended.err, "41:7:3: .rules[0]: warning: never matches\n", "its warnings")
        expected("history", daemon.run("history").out)


@test
def a_quarantine_is_asked_for_by_name_with_its_why():
    why = "biased against women: ticket 4711, geprüft"
    with Daemon() as daemon:
        ended = daemon.run("quarantine", "credit-scorer@3.1.0", "--why", why)
        equal((ended.status, ended.out), (OK, "credit-scorer@3.1.0 is in quarantine, 2 backends: generation 9, epoch 4\n"), "quarantine")
        daemon.run("quarantine", "--why", why, "--backend", "fra-1")
        ended = daemon.run("release", "credit-scorer@3.1.0", f"--why={why}")
        equal((ended.status, ended.out), (OK, "credit-scorer@3.1.0 is released, 1 backend: generation 10, epoch 5\n"
                                              "it was in quarantine by uid 1234 since 2026-11-22T10:30:00.000Z: biased\n"), "release")
        equal(daemon.run("release", "--backend", "fra-1", "--why", "x" * 256).out.split(" is ")[0], "fra-1", "release of a backend")
        equal(daemon.asked(), [{"verb": "quarantine", "version": "credit-scorer@3.1.0", "why": why},
                               {"verb": "quarantine", "backend": "fra-1", "why": why},
                               {"verb": "release", "version": "credit-scorer@3.1.0", "why": why},
                               {"verb": "release", "backend": "fra-1", "why": "x" * 256}], "the requests")


@test
def a_roll_out_is_told_what_to_do_with_its_why():
    now = ANSWERS["rollout"]["frame"]
    with Daemon() as daemon:
        ended = daemon.run("rollout", "pause", "credit-3.2", "--why", "ticket 4712")
        equal((ended.status, ended.out), (OK, "credit-3.2 is paused: credit-scorer@3.2.0 is given 5 % of new connections, generation 9\n"),
              "rollout")
        equal(daemon.asked(), [{"verb": "rollout", "order": "pause", "rollout": "credit-3.2", "why": "ticket 4712"}], "the request")
    with Daemon(rollout={"frame": {**now, "changed": False}}) as daemon:
        holds("is paused already" in daemon.run("rollout", "pause", "r", "--why", "x").out, "what is so already is said to be")
    with Daemon(rollout={"frame": {**now, "pending": True}}) as daemon:
        answer = daemon.run("rollout", "pause", "r", "--why", "x").out
        holds("as soon as the daemon" in answer and "generation" not in answer, f"no generation is promised: {answer}")


@test
def a_quarantine_that_changes_nothing_says_so_and_who_had_said_it():
    there = {**ANSWERS["quarantine"]["frame"], "changed": False}
    nothing = {"status": 0, "generation": 9, "epoch": 4, "changed": False}
    with Daemon(quarantine={"frame": there}, release={"frame": nothing}) as daemon:
        ended = daemon.run("quarantine", "m@1", "--why", "another reason")
        equal((ended.status, ended.out), (OK, "m@1 was in quarantine already, by root since 2026-11-22T10:30:00.000Z: biased; "
                                              "nothing changes\n"), "quarantine")
        ended = daemon.run("release", "m@1", "--why", "x")
        equal((ended.status, ended.out), (OK, "m@1 was in no quarantine; nothing changes\n"), "release")
    with Daemon(quarantine={"frame": {**ANSWERS["quarantine"]["frame"], "pending": True}}) as daemon:
        answer = daemon.run("quarantine", "m@1", "--why", "x").out
        holds("as soon as the daemon" in answer and "generation" not in answer, f"no generation is promised: {answer}")


@test
def audit_tail_says_why():
    actor = {"uid": 0, "user": "root", "pid": 7}
    records = [{"time": "2026-11-22T09:00:00.123Z", "type": "operation", "activity": "quarantine", "actor": actor, "model": "credit-scorer",
                "version": "3.1.0", "why": "biased\x1b[31m", "generation": 9, "epoch": 4},
               {"time": "2026-11-22T09:00:01.123Z", "type": "operation", "activity": "release", "actor": actor, "backend": "fra-1",
                "why": "mended", "generation": None, "epoch": None},
               {"time": "2026-11-22T09:00:02.123Z", "type": "operation", "activity": "gate", "actor": None, "gate": "floor",
                "on": "version", "model": "credit-scorer", "version": "3.2.0", "state": "breached", "was": "ok", "value": 0.81,
                "low": 0.79, "high": 0.83, "samples": 2140, "age": 3, "action": "quarantine", "acts": True},
               {"time": "2026-11-22T09:00:03.123Z", "type": "operation", "activity": "rollout", "actor": actor, "rollout": "credit-3.2",
                "service": "credit", "model": "credit-scorer", "from": "3.1.0", "to": "3.2.0", "change": "promote", "was": "running",
                "state": "running", "share_before": 5, "share": 25, "why": "ticket 4712", "generation": 9, "epoch": 4},
               {"time": "2026-11-22T09:00:04.123Z", "type": "operation", "activity": "verification", "actor": None, "backend": "fra-1",
                "state": "mismatched", "expected": "3.1.0", "found": "3.2.0\x1b"},
               {"time": "2026-11-22T09:00:05.123Z", "type": "operation", "activity": "surge", "actor": None, "service": "credit",
                "ratio": 1.2, "open": 2, "was_open": 2, "shed": 0, "shed_part": 25, "was_shed": 0, "was_shed_part": 0},
               {"time": "2026-11-22T09:00:06.123Z", "type": "operation", "activity": "ejection", "actor": None, "backend": "fra-1",
                "change": "ejected", "seconds": 30, "signal": "resets", "text": "7 of 50\x1b", "generation": 9, "epoch": 4},
               {"time": "2026-11-22T09:00:07.123Z", "type": "operation", "activity": "ejection", "actor": None, "backend": "fra-1",
                "change": "returned", "generation": 10, "epoch": 4},
               {"time": "2026-11-22T09:00:08.123Z", "type": "operation", "activity": "policy-refused", "actor": actor, "verb": "apply",
                "file": "p.json\x1b", "document": "ab", "problem": "1 of 2 approvals, by anna\x1b"},
               {"time": "2026-11-22T09:00:09.123Z", "type": "operation", "activity": "apply", "actor": actor, "policy_digest": "ab",
                "policy_revision": 3, "generation": 11, "epoch": 4, "file": "p.json", "change": 2, "document": "ab", "why": "labs are out",
                "approvals": [{"approver": "anna", "signature": "AA=="}, {"approver": "ben\x1b", "signature": "AB=="}]}]
    folder = os.path.join(scratch.name, "audit-operations")
    os.makedirs(folder)
    with open(os.path.join(folder, "usher-20261122T090000.jsonl"), "w", encoding="utf-8") as log:
        for record in records:
            log.write(json.dumps(record, separators=(",", ":")) + "\n")
    equal(run("audit", "tail", "--dir", folder).out.splitlines(), [
        "2026-11-22T09:00:00.123Z quarantine credit-scorer@3.1.0 by root (uid 0), generation 9: biased?[31m",
        "2026-11-22T09:00:01.123Z release fra-1 by root (uid 0): mended",
        "2026-11-22T09:00:02.123Z gate floor credit-scorer@3.2.0: ok, then breached, at 0.81 (0.79 to 0.83, 2140 samples); quarantine",
        "2026-11-22T09:00:03.123Z rollout credit-3.2 promote: credit-scorer@3.2.0 from 5 to 25 % by root (uid 0), generation 9: ticket 4712",
        "2026-11-22T09:00:04.123Z verification fra-1: mismatched, it says 3.2.0? where 3.1.0 is expected",
        "2026-11-22T09:00:05.123Z surge credit: load over capacity 1.20; 2 overflow tiers open, 0 priorities shed, 25 % of the next",
        "2026-11-22T09:00:06.123Z ejection fra-1: ejected for 30 s: 7 of 50?, generation 9",
        "2026-11-22T09:00:07.123Z ejection fra-1: returned, generation 10",
        "2026-11-22T09:00:08.123Z policy-refused apply of p.json? by root (uid 0): 1 of 2 approvals, by anna?",
        "2026-11-22T09:00:09.123Z apply revision 3, approved by anna, ben? by root (uid 0), generation 11: labs are out"],
        "lines")


@test
def simulate_says_what_another_policy_would_have_made_of_it():
    folder = os.path.join(scratch.name, "audit-simulate")
    os.makedirs(folder)
    with open(GOOD, encoding="utf-8") as file:
        policy = json.load(file)
    name, service = next((n, s) for n, s in policy["services"].items() if s["protocol"] == "tcp")
    address = service["address"] if isinstance(service["address"], str) else service["address"][0]
    host, port = address.rsplit(":", 1)
    base = {"type": "decision", "boot": "0123456789abcdef", "cpu": 0, "ring": "events", "sequence": 0, "verdict": "forward",
            "reason": "admitted", "tenant": "nobody-of-these", "client_region": "DE", "service": name, "backend": None,
            "src_endpoint": {"ip": "198.18.0.1", "port": 4711}, "dst_endpoint": {"ip": host, "port": int(port)},
            "connection_info": {"protocol_name": "tcp", "protocol_num": 6}}
    records = [{"time": "2026-11-01T09:00:00.000Z", **base}, {"time": "2026-11-02T09:00:00.000Z", **base, "sequence": 1},
               {"time": "2026-11-02T09:00:01.000Z", **base, "reason": "draining", "verdict": "refuse"},
               {"time": "2026-11-02T09:00:02.000Z", **base, "src_endpoint": None, "dst_endpoint": None, "count": 40}]
    with open(os.path.join(folder, "usher-0000000001-20261101T090000Z.jsonl"), "w", encoding="utf-8") as log:
        for record in records:
            log.write(json.dumps(record, separators=(",", ":")) + "\n")
    ended = run("-j", "simulate", GOOD, "--dir", folder)
    answer = json.loads(ended.out)
    equal(ended.status, NO, "status")
    equal(answer["decisions"], {"same": 0, "allowed-to-denied": 2, "denied-to-allowed": 0, "moved": 0, "of-the-moment": 1,
                                "unanswerable": 40, "split-prefix": 0}, "counts")
    change = next(c for c in answer["changes"] if c["change"] == "allowed-to-denied")
    equal((change["count"], change["before"], change["after"], change["examples"][0]),
          (2, "admitted", "no-allow-rule", "2026-11-01T09:00:00.000Z from 198.18.0.1"), "change")
    ended = run("simulate", GOOD, "--dir", folder, "--since", "2026-11-02", "--until", "2026-11-02T09:00:01Z")
    equal(ended.out.splitlines()[-2].startswith("1 decisions: 0 the same, 1 allowed and then denied"), True, ended.out)
    for words, count in ((["--until", "2026-11-01"], 1), (["--since", "2026-11-01", "--until", "2026-11-02"], 43),
                         (["--since", "2026-11-02T09:00:00Z", "--until", "2026-11-02T09:00:00.001Z"], 1),
                         (["--since", "2026-11-02T10:00:01+01:00"], 41), (["--reason", "draining"], 1), (["--verdict", "refuse"], 1),
                         (["--client", "198.18.0.0/24"], 3), (["--tenant", "nobody"], 0), (["--service", name], 43)):
        told = json.loads(run("-j", "simulate", GOOD, "--dir", folder, *words).out)
        equal(sum(told["decisions"].values()), count, " ".join(words))
        # The same words, the same records.
        found = run("-j", "audit", "query", "--dir", folder, *words).out.splitlines()
        equal(sum(json.loads(line).get("count", 1) for line in found), count, "query " + " ".join(words))
    equal(run("simulate", GOOD, "--dir", folder, "--until", "2026-10-01").status, OK, "nothing changes")
    for text in ("x", "0", "3-2", "2-", "-2", "1-2x", "99999999999"):
        misused("audit", "verify", "--segments", text, words=["--segments"])
    ended = run("audit", "verify", "--dir", folder, "--segments", "1-2")
    equal((ended.status, "does not go so far" in ended.err), (SYSTEM, True), "a range that is not there")
    misused("simulate", GOOD, "--since", "yesterday", words=["2026-03-01"])
    misused("simulate", GOOD, "--until", "2026-02-30", words=["--until", "2026-03-01"])
    misused("simulate", GOOD, "--since", "2026-11-02", "--until", "2026-11-01", words=["nothing is since"])
    misused("simulate", GOOD, "--reason", "no-such", words=["--reason"])
    misused("simulate", GOOD, "--type", "gap", words=["type"])
    equal(run("simulate", GOOD, "--dir", scratch.name + "/none").status, SYSTEM, "no such folder")


@test
def simulate_names_what_allows_and_what_moves():
    folder = os.path.join(scratch.name, "audit-moved")
    os.makedirs(folder)
    base = {"type": "decision", "verdict": "forward", "reason": "admitted", "tenant": "acme-bank", "client_region": "DE", "service": "credit",
            "src_endpoint": {"ip": "203.0.113.5", "port": 4711}, "dst_endpoint": {"ip": "198.51.100.10", "port": 443},
            "connection_info": {"protocol_name": "tcp", "protocol_num": 6}}
    labs = {"tenant": "labs", "client_region": "US", "src_endpoint": {"ip": "192.0.2.5", "port": 4711}}
    changes = [{"backend": "fra1"}, {"backend": "fra1", "reason": "confirmed"}, {"backend": "fra1"}, {"backend": "par1"}, {"backend": "iad1"},
               {"verdict": "refuse", "reason": "no-allow-rule", "backend": None, **labs}]
    with open(os.path.join(folder, "usher-0000000001-20261101T090000Z.jsonl"), "w", encoding="utf-8") as log:
        for second, change in enumerate(changes):
            log.write(json.dumps({"time": f"2026-11-01T09:00:0{second}.000Z", **base, **change}, separators=(",", ":")) + "\n")

    def simulated(change, *options):
        with open(GOOD, encoding="utf-8") as file:
            policy = json.load(file)
        change(policy, next(rule for rule in policy["rules"] if rule["id"] == "canary"))
        path = os.path.join(scratch.name, "moved.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(policy, file)
        return run(*options, "simulate", path, "--dir", folder)

    def split(old, new):
        return lambda policy, rule: rule.update(split={"3.1.0": old, "3.2.0": new})

    def roll_out(policy, _rule):
        policy["rollouts"] = {"skip": {"service": "credit", "from": "3.0.0", "to": "3.2.0", "steps": [1], "every": "1h"}}

    allowed = "denied-to-allowed           1  labs from US at credit: no-allow-rule -> admitted (rule labs-credit)"
    over_there = "moved                       1  acme-bank from DE at credit: admitted, away from iad1: require-rule (rule eea-stays)"
    for change, cause in ((split(0, 100), "rule canary"), (roll_out, "roll-out skip")):
        ended = simulated(change)
        equal((ended.status, ended.out.splitlines()), (NO, [
            allowed, "                               2026-11-01T09:00:05.000Z from 192.0.2.5",
            f"moved                       2  acme-bank from DE at credit: admitted, away from fra1: no-share ({cause})",
            "                               2026-11-01T09:00:00.000Z from 203.0.113.5 to fra1",
            "                               2026-11-01T09:00:02.000Z from 203.0.113.5 to fra1",
            over_there, "                               2026-11-01T09:00:04.000Z from 203.0.113.5 to iad1",
            "6 decisions: 1 the same, 0 allowed and then denied, 1 denied and then allowed, 3 moved,",
            "1 of the moment, 0 that the policy cannot answer, 0 of prefixes that it splits; 0 judged by the tenant and region on record"]), cause)
        told = [(c["change"], c["backend"], c["after"], c["rule"], c["rollout"]) for c in json.loads(simulated(change, "-j").out)["changes"]]
        equal(told, [("denied-to-allowed", None, "admitted", "labs-credit", None),
                     ("moved", "fra1", "no-share", *(("canary", None) if "canary" in cause else (None, "skip"))),
                     ("moved", "iad1", "require-rule", "eea-stays", None)], cause)
    equal([line for line in simulated(split(10, 90)).out.splitlines() if line.startswith(("denied", "moved"))], [allowed, over_there],
          "with another share")


@test
def explain_ends_with_1_when_the_client_is_refused():
    with Daemon() as daemon:
        ended = daemon.run("explain", "198.18.0.10", "credit")
        equal(ended.status, NO, "exit status")
        equal(ended.err, "", "standard error")
        expected("explain_refused", ended.out)
    admitted = {**ANSWERS["explain"]["body"], "verdict": "forward", "reason": "admitted", "sentence": "policy allows",
                "rule": "acme", "backend": "fra-1", "backend_address": "10.1.0.11:8000", "version": "3.1.0"}
    with Daemon(explain={"frame": {"status": 0}, "body": admitted}) as daemon:
        ended = daemon.run("explain", "203.0.113.7:40000", "198.51.100.10:443/udp")
        equal(ended.status, OK, "exit status")
        expected("explain_admitted", ended.out)
        equal(daemon.asked(), [{"verb": "explain", "client": "203.0.113.7:40000", "service": "198.51.100.10:443",
                                "protocol": "udp"}], "the request")


@test
def audit_tail_prints_one_decision_or_many_a_line():
    decision = {"time": "2026-11-22T09:00:00.123Z", "type": "decision", "verdict": "drop", "reason": "new-flow-limit", "generation": 8,
                "rule": "acme", "tenant": "acme-bank", "client_region": "DE", "service": "credit", "model": "m", "version": None,
                "backend": None, "src_endpoint": {"ip": "203.0.113.7", "port": 40000}}
    flood = {**decision, "src_endpoint": None, "dst_endpoint": None, "count": 1234567, "start_time": "2026-11-22T08:59:59.049Z",
             "end_time": "2026-11-22T09:00:00.123Z"}
    folder = os.path.join(scratch.name, "audit")
    os.makedirs(folder)
    with open(os.path.join(folder, "usher-20261122T090000.jsonl"), "w", encoding="utf-8") as log:
        for record in (decision, flood):
            log.write(json.dumps(record, separators=(",", ":")) + "\n")
    ended = run("audit", "tail", "--dir", folder)
    equal(ended.status, OK, "exit status")
    equal(ended.out.splitlines(), [
        "2026-11-22T09:00:00.123Z drop     new-flow-limit   acme-bank (DE) 203.0.113.7:40000 -> credit, rule acme, generation 8",
        "2026-11-22T09:00:00.123Z drop     new-flow-limit   acme-bank (DE) 1234567 times -> credit, rule acme, generation 8"], "lines")
    equal(json.loads(run("-j", "audit", "tail", "--dir", folder).out.splitlines()[1]), flood, "the record itself")


@test
def audit_query_finds_what_is_asked_for():
    decision = {"time": "2026-11-22T09:00:00.123Z", "type": "decision", "boot": "1", "verdict": "drop", "reason": "new-flow-limit",
                "generation": 8, "rule": "acme", "tenant": "acme-bank", "client_region": "DE", "service": "credit", "model": "m",
                "version": None, "backend": None, "src_endpoint": {"ip": "203.0.113.7", "port": 40000}}
    later = {**decision, "time": "2026-11-23T00:00:00.000Z", "tenant": "labs", "src_endpoint": {"ip": "203.0.113.70", "port": 40000}}
    stop = {"time": "2026-11-23T00:00:01.000Z", "type": "operation", "boot": "1", "activity": "stop"}
    folder = os.path.join(scratch.name, "audit-query")
    os.makedirs(folder)
    for number, records in enumerate(([decision, {"time": "2026-11-22T09:00:00.123Z", "type": "position"}], [later, stop]), 1):
        with open(os.path.join(folder, f"usher-{number:010}-20261122T090000Z.jsonl"), "w", encoding="utf-8") as log:
            for record in records:
                log.write(json.dumps(record, separators=(",", ":")) + "\n")

    def found(*options, word="query"):
        ended = run("-j", "audit", word, "--dir", folder, *options)
        equal(ended.err, "", "standard error")
        lines = [json.loads(line) for line in ended.out.splitlines()]
        equal(ended.status, OK if lines or word == "tail" else NO, f"exit status of {options}")
        return lines

    equal(found(), [decision, later, stop], "all, the oldest first")
    equal(found("--limit", "1"), [decision], "limit")
    for options, wanted in ((["--tenant", "labs"], [later]), (["--type", "operation"], [stop]), (["--client", "203.0.113.7"], [decision]),
                            (["--client", "203.0.113.64/26"], [later]), (["--client", "::/0"], []),
                            (["--until", "2026-11-22"], [decision]), (["--since", "2026-11-23"], [later, stop]),
                            (["--since", "2026-11-23T01:00:00+01:00", "--until", "2026-11-23T00:00:01Z"], [later]),
                            (["--rule", "acme", "--model", "m", "--verdict", "drop", "--reason", "new-flow-limit"], [decision, later]),
                            (["--version", "1"], []), (["--backend", "fra-1"], []), (["--service", "credit", "--tenant", "acme-bank"], [decision])):
        equal(found(*options), wanted, f"query {options}")
        equal(found(*options, word="tail"), wanted, f"tail {options}")
    equal(found("-n", "1", word="tail"), [stop], "the last one")
    equal(run("audit", "query", "--tenant", "labs", "--dir", folder).out.splitlines(), [
        "2026-11-23T00:00:00.000Z drop     new-flow-limit   labs (DE) 203.0.113.70:40000 -> credit, rule acme, generation 8"], "for people")
    for options in (["--verdict", "dorp"], ["--reason", "because"], ["--type", "seal"], ["--flow", "203.0.113.7"], ["--client", "host"], ["--client", "10.0.0.0/33"],
                    ["--since", "yesterday"], ["--until", "2026-02-30"], ["--since", "2026-03-02", "--until", "2026-03-01"], ["--limit", "0"]):
        misused("audit", "query", *options, words=[options[-1][:4]])
    one_line(run("audit", "query", "--dir", os.path.join(folder, "none")), SYSTEM, "there is no record")


EXPORTED = [
    {"time": "2026-11-22T09:00:00.123Z", "type": "decision", "boot": "1", "cpu": 0, "ring": "events", "sequence": 0, "verdict": "forward",
     "reason": "admitted", "generation": 8, "rule": "acme", "policy_digest": "d16e57d16e57d16e57", "policy_revision": 42, "tenant": "acme-bank",
     "client_region": "DE", "service": "credit", "model": "m", "version": "1", "backend": "fra-1", "backend_region": "DE",
     "backend_endpoint": {"ip": "10.1.0.11", "port": 8000}, "src_endpoint": {"ip": "203.0.113.7", "port": 40000},
     "dst_endpoint": {"ip": "198.51.100.10", "port": 443}, "nat_endpoint": None, "connection_info": {"protocol_name": "tcp", "protocol_num": 6}},
    {"time": "2026-11-22T09:00:01.123Z", "type": "decision", "boot": "1", "cpu": 0, "ring": "events", "sequence": 1, "verdict": "refuse",
     "reason": "no-allow-rule", "generation": 8, "rule": None, "tenant": "labs", "client_region": "US", "service": "credit", "model": "m",
     "version": None, "backend": None, "src_endpoint": None, "dst_endpoint": None, "count": 7, "start_time": "2026-11-22T09:00:00.049Z",
     "end_time": "2026-11-22T09:00:01.123Z", "policy_digest": "d16e57d16e57d16e57", "policy_revision": 42},
    {"time": "2026-11-22T09:00:02.000Z", "type": "operation", "boot": "1", "activity": "quarantine", "actor": {"uid": 0, "user": "root", "pid": 7},
     "model": "m", "version": "1", "why": "=cmd|' /C calc'!A0, \"x\"\n<script>alert(1)</script> | [a](b)"},
    {"time": "2026-11-22T09:00:03.000Z", "type": "gap", "boot": "1", "cpu": 0, "ring": "events", "first": 2, "last": 11, "count": 10},
    {"time": "2026-11-23T09:00:00.123Z", "type": "decision", "boot": "1", "cpu": 0, "ring": "events", "sequence": 12, "verdict": "revoke",
     "reason": "revoked", "generation": 9, "rule": "acme", "tenant": "acme-bank", "client_region": "DE", "service": "credit", "model": "m",
     "version": "1", "backend": "fra-1", "backend_region": "DE", "policy_digest": "d16e57d16e57d16e57", "policy_revision": 42,
     "src_endpoint": {"ip": "203.0.113.7", "port": 40000}, "dst_endpoint": {"ip": "198.51.100.10", "port": 443}}]


def written_log(name, records):
    folder = os.path.join(scratch.name, name)
    os.makedirs(folder)
    with open(os.path.join(folder, "usher-0000000001-20261122T090000Z.jsonl"), "w", encoding="utf-8") as log:
        for record in records:
            log.write(json.dumps(record, separators=(",", ":")) + "\n")
    return folder


def exported_log(name):
    return written_log(name, EXPORTED)


@test
def audit_export_writes_other_forms():
    folder = exported_log("audit-export")
    ended = run("audit", "export", "--dir", folder)
    equal((ended.status, [json.loads(line) for line in ended.out.splitlines()]), (OK, EXPORTED), "JSON Lines")
    one = run("audit", "export", "--dir", folder, "--tenant", "labs", "--format", "jsonl")
    equal([json.loads(line) for line in one.out.splitlines()], EXPORTED[1:2], "filtered")
    equal(run("audit", "export", "--dir", folder, "--tenant", "nobody").status, NO, "none")

    with open(os.path.join(scratch.name, "export.csv"), "wb") as file:
        file.write(subprocess.run([USHER, "audit", "export", "--format", "csv", "--dir", folder], capture_output=True, check=True, timeout=60).stdout)
    with open(os.path.join(scratch.name, "export.csv"), newline="", encoding="utf-8") as file:
        text = file.read()
    holds(text.endswith("\r\n") and text.count("\n") == text.count("\r\n") == 6, f"lines end in CR LF: {text!r}")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    equal(len(rows), 5, "rows")
    for row in rows:
        equal(None in row or None in row.values(), False, f"as many cells as columns: {row}")
    for key, wanted in (("time", "2026-11-22T09:00:00.123Z"), ("verdict", "forward"), ("client_ip", "203.0.113.7"), ("client_port", "40000"),
                        ("backend_ip", "10.1.0.11"), ("protocol", "tcp"), ("nat_ip", ""), ("policy_revision", "42"), ("record", "")):
        equal(rows[0][key], wanted, key)
    equal((rows[1]["count"], rows[1]["client_ip"], rows[1]["rule"]), ("7", "", ""), "many decisions")
    equal(rows[2]["why"], "'=cmd|' /C calc'!A0, \"x\"?<script>alert(1)</script> | [a](b)", "no spreadsheet takes it for a formula")
    equal(json.loads(rows[2]["record"]), EXPORTED[2], "nothing of an operation is lost")
    equal((rows[3]["first"], rows[3]["last"], rows[3]["count"]), ("2", "11", "10"), "a gap")

    ended = run("audit", "export", "--dir", folder, "--format", "ocsf")
    events = [json.loads(line) for line in ended.out.splitlines()]
    equal([(e["class_uid"], e["activity_name"], e["time"]) for e in events],
          [(4001, "Open", 1795338000123), (4001, "Refuse", 1795338001123), (3004, "Suspend", 1795338002000), (4001, "Reset", 1795424400123)],
          "events")
    holds(": 1 gaps (10 decisions that were not recorded)" in ended.err, f"what is left out is said: {ended.err}")


@test
def audit_export_writes_a_file_whole_or_not_at_all():
    folder = exported_log("audit-export-file")
    target = os.path.join(scratch.name, "whole.jsonl")
    with open(target, "w", encoding="utf-8") as file:
        file.write("before")
    one_line(run("audit", "export", "--dir", os.path.join(folder, "none"), "--output", target), SYSTEM, "there is no record")
    with open(target, encoding="utf-8") as file:
        equal(file.read(), "before", "what was there")
    ended = run("audit", "export", "--dir", folder, "--output", target)
    equal((ended.status, ended.out), (OK, f"5 records in {target}\n"), "status")
    with open(target, encoding="utf-8") as file:
        equal(len(file.readlines()), 5, "lines")
    equal(os.stat(target).st_mode & 0o777, 0o600, "for its owner alone")
    equal(json.loads(run("-j", "audit", "export", "--dir", folder, "--format", "ocsf", "--output", target).out),
          {"file": target, "records": 4, "left_out": 1}, "as JSON")
    equal([name for name in os.listdir(scratch.name) if name.startswith("whole.jsonl.")], [], "nothing is left beside it")
    one_line(run("audit", "export", "--dir", folder, "--output", "/dev/null"), SYSTEM, "no regular file")
    holds(not os.path.isfile("/dev/null"), "/dev/null is what it was")
    one_line(run("audit", "export", "--dir", folder, "--output", os.path.join(folder, "none", "x")), SYSTEM, "No such file")
    misused("audit", "export", "--format", "xml", words=["xml"])
    misused("audit", "export", "now", words=["export"])
    misused("audit", "export", "--sign", "key.pem", words=["--sign"])
    misused("audit", "export", "--format", "evidence", "--tenant", "labs", words=["--since"])


@test
def evidence_is_not_made_of_what_proves_nothing():
    folder = exported_log("audit-evidence")
    one_line(run("audit", "export", "--format", "evidence", "--dir", folder), SYSTEM, "usher audit verify says where")
    one_line(run("audit", "export", "--format", "evidence", "--dir", folder, "--sign", GOOD), SYSTEM, GOOD)
    one_line(run("audit", "verify", os.path.join(scratch.name, "none")), SYSTEM, "No such file")
    one_line(run("audit", "verify", GOOD), NO, "no evidence")
    one_line(run("audit", "verify", os.path.join(scratch.name)), NO, "no evidence")
    misused("audit", "verify", GOOD, "--dir", folder, words=["--dir"])
    misused("audit", "verify", GOOD, GOOD, words=["verify"])


def operation(time, activity, **more):
    return {"time": time, "type": "operation", "boot": "1", "activity": activity, **more}


def policy_change(time, activity, revision, digest, approvers, **more):
    return operation(time, activity, policy_digest=digest, policy_revision=revision, generation=revision - 34, file="policy.json", change=revision,
                     **{"why": None, "approvals": [{"approver": name, "signature": "c2ln"} for name in approvers], **more})


BY_ROOT, BY_CARL = {"uid": 0, "user": "root", "pid": 7}, {"uid": 1000, "user": "carl", "pid": 8}
D40, D41, D42, D43 = "d40e57d40e57d40e57", "d41e57d41e57d41e57", "d16e57d16e57d16e57", "d43e57d43e57d43e57"
# 42 was applied twice before the range, and confirmed; of 40, which an answer names, nothing is there; 41 is named by none.
BEFORE = [
    operation("2026-11-20T08:00:00.000Z", "start", version="0.1", generation=0, approvers=["anna", "ben"]),
    policy_change("2026-11-20T08:00:00.100Z", "start", 41, D41, []),
    policy_change("2026-11-20T09:00:00.000Z", "apply", 42, D42, ["anna", "ben"], actor=BY_CARL, why="the first time"),
    policy_change("2026-11-21T09:00:00.000Z", "apply", 42, D42, ["anna", "ben"], actor=BY_ROOT, why="labs are | out"),
    policy_change("2026-11-21T09:00:09.000Z", "confirm", 42, D42, ["anna", "ben"], actor=BY_CARL)]
CHANGES = [
    operation("2026-11-22T09:00:04.000Z", "policy-refused", actor=BY_CARL, verb="apply", file="new.json", document="ab", problem="0 of 2 approvals"),
    policy_change("2026-11-22T09:00:05.000Z", "apply", 43, D43, ["anna", "carl"], actor=BY_ROOT, why="a try"),
    policy_change("2026-11-22T09:00:06.000Z", "rollback", 42, D42, ["anna", "ben"], why="it was not confirmed in time"),
    operation("2026-11-22T09:00:07.000Z", "pool", pool="gpus", policy_digest=D42, count=3),
    operation("2026-11-22T09:00:08.000Z", "key-rotated", actor=BY_ROOT, why="the old one is \"lost\"")]
VEIL_KEY = bytes(range(32))
OLD = {**EXPORTED[0], "cpu": 1, "time": "2026-11-22T09:00:00.100Z", "policy_digest": D40, "policy_revision": 40, "rule": "old",
       "src_endpoint": {"ip": None, "pseudonym": hmac.digest(VEIL_KEY, bytes(10) + b"\xff\xff\xcb\x00\x71\x09", "sha256")[:16].hex(), "port": 1}}


def reported_log(name):
    return written_log(name, [*BEFORE, OLD, *EXPORTED[:4], *CHANGES, *EXPORTED[4:]])


@test
def audit_report_is_a_page_for_people():
    folder = reported_log("audit-report")
    ended = run("audit", "report", "--dir", folder, "--since", "2026-11-22")
    equal(ended.status, NO, "a log without seals is not proven")
    expected("audit_report", "\n".join(line for line in ended.out.splitlines() if " Made " not in line and "seals" not in line) + "\n")
    html = run("audit", "report", "--html", "--dir", folder).out
    holds("<script" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html, "text from records is text")
    holds(html.startswith("<!DOCTYPE html>") and html.endswith("</html>\n") and "http://" not in html and "src=" not in html, "needs nothing else")
    page = ElementTree.fromstring(html.replace("<!DOCTYPE html>", "").replace("<meta charset=\"utf-8\">", "").replace(
        html[html.index("<meta http-equiv"):html.index("<title>")], ""))
    cells = [cell.text for cell in page.iter("td")]
    holds("=cmd|' /C calc'!A0, \"x\"\ufffd<script>alert(1)</script> | [a](b)" in cells, f"cells: {cells}")
    for table in page.iter("table"):
        width = len(table.find("thead/tr"))
        holds(all(len(row) == width for row in table.iter("tr")), "as many cells as columns")
    sections = report_of(folder)
    equal([row[:7] for row in sections["Denials, by reason"]], [["no-allow-rule", "-", "labs", "US", "credit", "42 (d16e57d16e57)", "7"]], "denials")
    equal((sections["Roll-outs"], sections["Ends of connections"]), ([], []), "none")
    later = run("audit", "report", "--dir", folder, "--since", "2026-11-23", "--until", "2026-11-24").out
    holds("Nobody was." in later and "| acme-bank | credit | m@1 | fra-1 | acme |" in later, f"a range: {later}")
    target = os.path.join(scratch.name, "report.html")
    equal(run("audit", "report", "--html", "--dir", folder, "--output", target).out, "", "in a file")
    with open(target, encoding="utf-8") as file:
        equal(file.read().count("<h1>"), 1, "the page")
    one_line(run("audit", "report", "--dir", os.path.join(folder, "none")), SYSTEM, "No such file")
    misused("audit", "report", "--html", "-j", words=["--html"])
    misused("audit", "report", "--since", "yesterday", words=["2026-03-01"])
    misused("audit", "report", "--type", "decision", words=["--type"])


ANSWERED = "Who was answered by what, under which rule and policy"
POLICIES = "Policies: who applied them, why, and who approved them"


def report_of(folder, *options):
    """The rows of each section's table."""
    answer = json.loads(run("-j", "audit", "report", "--dir", folder, *options).out)
    return {section["title"]: section["tables"][0]["rows"] if section["tables"] else [] for section in answer["sections"]}


@test
def audit_report_names_who_approved_what_answered():
    folder = reported_log("audit-approved")

    def policies(*options):
        return [(row[0][8:19], row[1], row[2], row[6], row[7], row[8]) for row in report_of(folder, *options)[POLICIES]]

    first = [("20T08:00:00", "start", "41", "usher", "-", "nobody"), ("20T09:00:00", "apply", "42", "carl (uid 1000)", "the first time", "anna, ben")]
    applied = ("21T09:00:00", "apply", "42", "root (uid 0)", "labs are | out", "anna, ben")
    confirmed = ("21T09:00:09", "confirm", "42", "carl (uid 1000)", "-", "anna, ben")
    tried = ("22T09:00:05", "apply", "43", "root (uid 0)", "a try", "anna, carl")
    back = ("22T09:00:06", "rollback", "42", "usher", "it was not confirmed in time", "anna, ben")
    unknown = ("", "not in this log", "40", "-", "-", "-")
    equal(policies(), [unknown, *first, applied, confirmed, tried, back], "of all of the log")
    equal(policies("--since", "2026-11-22"), [unknown, applied, confirmed, tried, back], "the last time before the range, and not what none names")
    equal(policies("--since", "2026-11-22", "--rule", "acme"), [applied, confirmed, tried, back], "of those that are told")
    equal(policies("--since", "2026-11-23"), [applied, confirmed, back], "also what came back by itself")
    equal(policies("--until", "2026-11-20"), first, "nothing of what came later")
    equal(policies("--since", "2026-11-21T09:00:01Z", "--until", "2026-11-21T12:00:00Z"), [confirmed], "what no decision names is not looked for")
    operations = [(row[0], row[1], row[2], row[3], row[4]) for row in report_of(folder, "--since", "2026-11-22")["Other operations"]]
    equal(sorted(operations), [("key-rotated", "-", "root (uid 0)", "the old one is \"lost\"", "1"), ("policy-refused", "-", "carl (uid 1000)", "0 of 2 approvals", "1"),
                               ("pool", "-", "usher", "-", "1")], "who and why")


@test
def audit_report_can_be_narrowed():
    folder = reported_log("audit-narrowed")

    def counts(*options):
        sections = report_of(folder, *options)
        return tuple(sum(int(row[column]) for row in sections[title]) for title, column in
                     ((ANSWERED, 7), ("Denials, by reason", 6), ("Revocations: open connections that were cut", 6)))

    for options, wanted in (([], (2, 7, 1)), (["--tenant", "labs"], (0, 7, 0)), (["--tenant", "acme-bank"], (2, 0, 1)), (["--client", "203.0.113.7"], (1, 0, 1)),
                            (["--client", "203.0.113.0/29"], (1, 0, 1)), (["--client", "203.0.113.8/29"], (0, 0, 0)), (["--service", "other"], (0, 0, 0)),
                            (["--model", "m", "--version", "1"], (2, 0, 1)), (["--version", "2"], (0, 0, 0)), (["--backend", "fra-1"], (2, 0, 1)),
                            (["--rule", "old"], (1, 0, 0)), (["--verdict", "revoke"], (0, 0, 1)), (["--until", "2026-11-22", "--rule", "acme"], (1, 0, 0))):
        equal(counts(*options), wanted, f"answers, denials and revocations with {options}")

    def told(*options):
        return run("audit", "report", "--dir", folder, *options).out

    holds("those of tenant acme-bank, service credit, model m, version 1, backend fra-1, rule acme, client 203.0.113.7 alone: 2 of these decisions"
          in told("--client", "203.0.113.7", "--tenant", "acme-bank", "--service", "credit", "--model", "m", "--version", "1", "--backend", "fra-1", "--rule",
                  "acme").replace("\\", ""), "what it was narrowed to")
    holds("client 203.0.113.0/29 alone" in told("--client", "203.0.113.0/29"), "to a prefix")
    holds("alone" not in told() and "alone" not in told("--since", "2026-11-22"), "not narrowed")
    holds("8 more decisions may be of that client" in told("--client", "203.0.113.7"), "counted ones, and a pseudonym without its key")
    holds("1 more decisions may be" in told("--client", "203.0.113.7", "--tenant", "acme-bank"), "of the tenant")
    holds("more decisions" not in told("--tenant", "acme-bank"), "no client is asked for")
    holds("An end has no verdict, reason and rule" in told("--rule", "acme"), "ends")
    holds("| key-rotated |" in told("--tenant", "labs") and "| 10 |" in told("--tenant", "labs"), "what was changed, and gaps, are everybody's")
    keys = os.path.join(scratch.name, "report-keys")
    with open(keys, "w", encoding="utf-8") as file:
        file.write(f"usher-client-keys/1\n{'0' * 15}1 {VEIL_KEY.hex()} 0 4000000000\n")
    equal(counts("--client", "203.0.113.9", "--client-keys", keys), (1, 0, 0), "a client by its pseudonym")
    holds("7 more decisions may be of that client" in told("--client", "203.0.113.9", "--client-keys", keys), "counted ones alone")


@test
def control_characters_never_reach_the_terminal():
    nasty = "name\x1b[31m\x07\r\nnew line"
    answers = {"history": {"frame": {"status": 0}, "body": {"history": [{"name": nasty, "file": nasty}]}},
               "show_backends": {"frame": {"status": 0}, "body": {"backends": [{"name": nasty, "reason": nasty}]}},
               "explain": {"frame": {"status": 0}, "body": {key: nasty for key in ("client", "service", "verdict", "reason",
                           "sentence", "tenant", "backend", "rule")}},
               "drain": {"frame": {"status": 5, "error": nasty}},
               "quarantine": {"frame": {"status": 0, "changed": False, "user": nasty, "why": nasty, "since": nasty}},
               "show_quarantines": {"frame": {"status": 0}, "body": {"quarantines": [{"backend": nasty, "why": nasty}]}},
               "apply": {"frame": {"status": 0, "name": nasty, "confirm_by": nasty},
                         "body": {"diagnostics": [{"severity": "warning", "path": nasty, "text": nasty}]}}}
    with Daemon(**answers) as daemon:
        for question in [["history"], ["show"], ["show", "backends"], ["explain", "a", "b"], ["drain", "x\x1b"], ["apply", GOOD],
                         ["undrain", "x\x1b"], ["quarantine", "x\x1b", "--why", "y"], ["show", "quarantines"]]:
            ended = daemon.run(*question)
            for character in "\x1b\x07\r":
                holds(character not in ended.out + ended.err, f"{character!r} in the output of {question}")


@test
def colours_are_for_terminals_that_want_them():
    def on_terminal(environment):
        with Daemon() as daemon:
            ours, theirs = pty.openpty()
            process = subprocess.Popen([USHER, "-s", daemon.path, "show", "backends"], stdout=theirs,
                                       env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment})
            os.close(theirs)
            seen = b""
            try:
                while piece := os.read(ours, 4096):
                    seen += piece
            except OSError:
                pass
            os.close(ours)
            process.wait()
            return seen.decode()

    holds("\x1b[" in on_terminal({}), "colours on a terminal")
    holds("\x1b[" not in on_terminal({"NO_COLOR": "1"}), "no colours with NO_COLOR")
    holds("\x1b[" not in on_terminal({"TERM": "dumb"}), "no colours on a dumb terminal")
    with Daemon() as daemon:
        holds("\x1b[" not in daemon.run("show", "backends", environment={"TERM": "xterm"}).out, "no colours in a pipe")


# ---- policies ----------------------------------------------------------------------------------------------------------


def applied(**frame):
    return {"frame": {"status": 0, "generation": 9, "epoch": 3, "digest": "fedcba9876543210", "name": "lab", "revision": 1,
                      "changed": True, **frame}, "body": {"diagnostics": []}}


@test
def apply_says_when_it_takes_a_moment():
    with Daemon(apply=applied(pending=True)) as daemon:
        answer = daemon.run("apply", GOOD)
        equal(answer.status, OK, "status")
        holds("as soon as the daemon" in answer.out and "generation 9" not in answer.out, f"no generation is promised: {answer.out}")


@test
def apply_sends_the_text_as_it_is():
    with open(GOOD, encoding="utf-8") as file:
        text = file.read()
    with Daemon(apply=applied()) as daemon:
        equal(daemon.run("apply", GOOD).out, "lab revision 1, digest fedcba987654: in force as generation 9, epoch 3\n", "output")
        equal(daemon.run("apply", "-", stdin=text).status, OK, "from standard input")
        daemon.run("apply", GOOD, "--dry-run")
        daemon.run("apply", "--confirm-within", "2m", GOOD)
        asked = daemon.asked()
        equal([request.pop("body") for request in asked], [text] * 4, "the bodies")
        equal(asked, [{"verb": "apply", "file": GOOD, "sealed": True}, {"verb": "apply", "file": "<stdin>", "sealed": True},
                      {"verb": "apply", "file": GOOD, "dry_run": True, "sealed": True},
                      {"verb": "apply", "file": GOOD, "confirm_within_ms": 120000, "sealed": True}], "the requests")


def file_of(name, content):
    path = os.path.join(scratch.name, name)
    with open(path, "wb") as made:
        made.write(content)
    return path


@test
def signatures_are_sent_as_base64():
    raw, text = bytes(range(64)), base64.encodebytes(bytes(range(64)))
    one, other = file_of("raw.sig", raw), file_of("text.sig", text)
    sent = [base64.b64encode(raw).decode()] * 2
    with Daemon(apply=applied(), rollback=applied()) as daemon:
        daemon.run("apply", GOOD, "--why", "labs are out", "--signature", one, "--signature", other)
        daemon.run("rollback", "41", "--why", "too strict", "--signature", other, "--signature", one)
        apply, rollback = daemon.asked()
        equal((apply["signatures"], apply["why"]), (sent, "labs are out"), "apply")
        equal(rollback, {"verb": "rollback", "revision": "41", "why": "too strict", "signatures": sent}, "rollback")


@test
def what_is_no_signature_is_said_before_anything_is_asked():
    for name, content in (("short", bytes(63)), ("long", bytes(65)), ("letters", b"!" * 88), ("empty", b""), ("huge", b"A" * 5000),
                          ("hex", b"00" * 64), ("pem", b"-----BEGIN PUBLIC KEY-----\n" + b"A" * 60)):
        path = file_of(name, content)
        with Daemon() as daemon:
            for words in (["apply", GOOD], ["rollback"], ["check", GOOD, "--approvers", scratch.name]):
                one_line(daemon.run(*words, "--signature", path), MISUSE, path)
            equal(daemon.asked(), [], "nothing is asked")
    one_line(run("apply", GOOD, "--signature", "/nonexistent"), MISUSE, "/nonexistent")
    one = file_of("raw.sig", bytes(64))
    misused("apply", GOOD, *["--signature", one] * 17, words=["16 signatures"])


@test
def a_statement_is_what_sha256sum_makes():
    with open(GOOD, "rb") as good:
        digest = hashlib.sha256(good.read()).hexdigest()
    ended = run("check", GOOD, "--statement")
    equal((ended.status, ended.out), (OK, f"usher-policy-approval 1\ndocument sha256:{digest}\n"), "the statement")
    bad = file_of("bad.json", b"{}")
    ended = run("check", bad, "--statement")
    equal((ended.status, ended.out), (REFUSED, ""), "of a policy that is none")
    holds("bad.json:1:" in ended.err, ended.err)
    with Daemon(rollback={"frame": {"status": 0}, "body": "usher-policy-rollback 1\n"}) as daemon:
        equal(daemon.run("rollback", "--statement").out, "usher-policy-rollback 1\n", "of a going back")
        equal(daemon.asked(), [{"verb": "rollback", "statement": True}], "what is asked")


@test
def approvals_are_checked_without_a_daemon():
    folder = os.path.join(scratch.name, "approvers")
    os.mkdir(folder, 0o755)
    key, pem, statement, made = (os.path.join(scratch.name, name) for name in ("anna.key", "approvers/anna.pem", "statement", "anna.sig"))
    for words in (["genpkey", "-algorithm", "ed25519", "-out", key], ["pkey", "-in", key, "-pubout", "-out", pem]):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    with open(statement, "w", encoding="utf-8") as file:
        file.write(run("check", GOOD, "--statement").out)
    subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", statement, "-out", made], check=True)
    ended = run("check", GOOD, "--signature", made, "--approvers", folder)
    equal(ended.status, OK, "status")
    holds("approved by anna" in ended.out, ended.out)
    other = file_of("other.json", open(GOOD, "rb").read() + b"\n")
    one_line(run("check", other, "--signature", made, "--approvers", folder), REFUSED, "signature 1 is of none of the 1 approvers")
    one_line(run("check", GOOD, "--signature", made, "--approvers", "/nonexistent"), MISUSE, "/nonexistent")


@test
def a_document_comes_back_byte_for_byte():
    body = ANSWERS["document"]["body"].split("\0")[0]
    with Daemon() as daemon:
        equal(daemon.run("history", "0011", "--document").out, body, "the document")
        facts = daemon.run("history", "41").out
        holds("0ddba11" in facts and "a.csv" in facts and "it is" in facts and "\x1b" not in facts, facts)
        equal(json.loads(daemon.run("-j", "history", "41").out)["document"], "0ddba11", "as JSON")
        equal(daemon.run("diff", GOOD, "--against", "0011").status, NO, "diff")
        equal([request["verb"] for request in daemon.asked()], ["document"] * 4, "what is asked")
        equal({request["revision"] for request in daemon.asked()}, {"0011", "41"}, "of which")
    with Daemon(document={"frame": {"status": 1, "error": "none is kept"}}) as daemon:
        for words in (["history", "77"], ["history", "77", "--document"], ["diff", GOOD, "--against", "77"]):
            one_line(daemon.run(*words), NO, "none is kept")


@test
def apply_says_what_came_of_it():
    with Daemon(apply=applied(changed=False)) as daemon:
        equal(daemon.run("apply", GOOD).out, "lab revision 1, digest fedcba987654: nothing changes, generation 9\n", "unchanged")
    with Daemon(apply=applied()) as daemon:
        equal(daemon.run("apply", "--dry-run", GOOD).out,
              "lab revision 1, digest fedcba987654: would be generation 9, epoch 3\n", "dry run")
    with Daemon(apply=applied(confirm_by="2026-11-22T10:01:00Z")) as daemon:
        holds("goes back at 2026-11-22T10:01:00Z unless" in daemon.run("apply", GOOD).out, "when it goes back")
        equal(json.loads(daemon.run("-j", "apply", GOOD).out)["confirm_by"], "2026-11-22T10:01:00Z", "the same as JSON")


@test
def apply_prints_what_the_daemon_finds():
    found = {"diagnostics": [{"severity": "error", "line": 3, "column": 5, "path": ".services.x", "text": "does not fit"},
                             {"severity": "warning", "line": 0, "column": 0, "path": "", "text": "is large"}]}
    with Daemon(apply={"frame": {"status": 3, "error": "the policy is refused"}, "body": found}) as daemon:
        ended = daemon.run("apply", GOOD)
        equal(ended.status, REFUSED, "exit status")
        equal(ended.out, "", "standard output")
        equal(ended.err, f"{GOOD}:3:5: .services.x: does not fit\n{GOOD}: warning: is large\n"
                         "usher apply: the policy is refused\n", "standard error")
        ended = daemon.run("-j", "apply", GOOD)
        equal((ended.status, json.loads(ended.out)["diagnostics"]), (REFUSED, found["diagnostics"]), "the same as JSON")


@test
def a_bad_policy_never_reaches_the_daemon():
    bad = os.path.join(scratch.name, "bad.json")
    with open(bad, "w", encoding="utf-8") as file:
        file.write('{"apiVersion": "usher/v1", "surprise": 1, "rules": 7}')
    with Daemon(apply=applied()) as daemon:
        for verb in ("apply", "diff"):
            ended = daemon.run(verb, bad)
            equal(ended.status, REFUSED, f"exit status of {verb}")
            equal(ended.out, "", "standard output")
            holds(ended.err.startswith(bad + ":1:"), f"place in {ended.err!r}")
            holds(ended.err.count("\n") >= 2, f"all of the errors: {ended.err!r}")
            as_json = daemon.run("-j", verb, bad)
            equal(as_json.status, REFUSED, "exit status")
            equal(len(json.loads(as_json.out)["diagnostics"]), ended.err.count("\n"), "diagnostics as JSON")
        equal(daemon.asked(), [], "requests")


@test
def a_file_that_cannot_be_read_is_a_usage_error():
    for verb in ("apply", "diff"):
        one_line(run(verb, os.path.join(scratch.name, "none.json")), MISUSE, "none.json", "No such file")
        one_line(run(verb, scratch.name), MISUSE, "directory")


def main():
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, function in enumerate(tests, 1):
        name = function.__name__.replace("_", " ")
        try:
            skipped = function()
            print(f"ok {number} - {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
        except Exception as error:  # whatever it was, the test has not passed
            failed += 1
            print(f"not ok {number} - {name}")
            for line in f"{type(error).__name__}: {error}".splitlines():
                print(f"# {line}", flush=True)
    scratch.cleanup()
    sys.exit(1 if failed else 0)


main()
