#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""An evaluator of the lab: replays labelled samples to each model server itself, past the gateway, and serves what came of it.

    evaluator.py --port 9100 --model DIRECTORY [--every MS] credit-scorer@3.1.0=10.1.0.11:8000 ...

GET /metrics has, by model, version and group:
    model_labelled_total    samples answered whose label is known
    model_correct_total     those of them that were answered as the label says
    model_approved_total    those that were approved
    model_score_bucket      a histogram of the probability that was answered
and model_accuracy, a gauge over the last 200 samples of each version. A sample belongs to group "b" if its first measurement is above
the median, otherwise to "a". SIGUSR1 makes it answer /metrics with 503, or again with a page.
"""

import argparse
import http.client
import json
import pathlib
import signal
import statistics
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prometheus_client as prometheus

LABELS = ("model", "version", "group")
RECENT = 200


class Figures:
    def __init__(self):
        self.registry = prometheus.CollectorRegistry()
        self.labelled = prometheus.Counter("model_labelled", "Samples answered", LABELS, registry=self.registry)
        self.correct = prometheus.Counter("model_correct", "Of them, as the label says", LABELS, registry=self.registry)
        self.approved = prometheus.Counter("model_approved", "Of them, approved", LABELS, registry=self.registry)
        self.score = prometheus.Histogram("model_score", "Probability answered", LABELS, registry=self.registry,
                                          buckets=[0.1, 0.3, 0.5, 0.7, 0.9])
        self.accuracy = prometheus.Gauge("model_accuracy", "Over the last samples", LABELS[:2], registry=self.registry)


class Evaluation(threading.Thread):
    """One server, asked sample after sample."""

    def __init__(self, figures, model, version, address, samples, every):
        super().__init__(daemon=True)
        self.figures, self.name_of = figures, (model, version)
        self.host, self.port = address.rsplit(":", 1)
        self.samples, self.every = samples, every
        self.recent = deque(maxlen=RECENT)

    def run(self):
        position, connection = 0, None
        while True:
            begun = time.monotonic()
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(self.host, int(self.port), timeout=1)
                self.ask(connection, *self.samples[position % len(self.samples)])
                position += 1
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                if connection:
                    connection.close()
                connection = None
            time.sleep(max(0.001, self.every - (time.monotonic() - begun)))

    def ask(self, connection, features, label, group):
        connection.request("POST", "/v1/predict", json.dumps({"features": features}), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        approved = answer["prediction"] == "approve"
        labels = (*self.name_of, group)
        self.figures.score.labels(*labels).observe(answer["probability"])
        if approved:
            self.figures.approved.labels(*labels).inc()
        # Labelled first: a page in between has one correct too few, and never more of them than there are samples.
        self.figures.labelled.labels(*labels).inc()
        self.figures.correct.labels(*labels).inc(approved == bool(label))
        self.recent.append(approved == bool(label))
        self.figures.accuracy.labels(*self.name_of).set(sum(self.recent) / len(self.recent))


class Page(BaseHTTPRequestHandler):
    figures, failing = None, False

    def do_GET(self):
        try:
            self.answer()
        except OSError:
            pass  # whoever asked did not wait

    def answer(self):
        body = b"" if Page.failing else prometheus.generate_latest(Page.figures.registry)
        self.send_response(503 if Page.failing else 200)
        self.send_header("Content-Type", prometheus.CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def labelled_samples(directory):
    rows = json.loads((directory / "samples.json").read_text())
    labels = json.loads((directory / "labels.json").read_text())
    median = statistics.median(row[0] for row in rows)
    return [(row, label, "b" if row[0] > median else "a") for row, label in zip(rows, labels)]


def fail(*_):
    Page.failing = not Page.failing


def main():
    parser = argparse.ArgumentParser(description="An evaluator of the lab.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="what train.py has written")
    parser.add_argument("--every", type=int, default=10, metavar="MS", help="between the samples of a server")
    parser.add_argument("servers", nargs="+", metavar="MODEL@VERSION=ADDRESS:PORT")
    options = parser.parse_args()
    Page.figures = Figures()
    samples = labelled_samples(options.model)
    signal.signal(signal.SIGUSR1, fail)
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Page)
    for text in options.servers:
        name, address = text.split("=")
        Evaluation(Page.figures, *name.split("@"), address, samples, options.every / 1000).start()
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
