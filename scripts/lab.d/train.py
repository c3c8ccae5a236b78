#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Trains one version of the lab's model and writes its artefact: train.py VERSION DIRECTORY.

The data set is the largest two-class one that ships with scikit-learn (569 samples, 30 measurements; Wolberg, Street and
Mangasarian 1995). It stands in for credit files: what the lab needs is that the versions are real, that they were measured on
held-out data, and that they do not always agree.

Training is reproducible to the bit (fixed split, fixed seeds, solvers that do no vectorised arithmetic of their own), so that
policy.json can name the digests of the artefacts.
"""

import json
import os
import pickle
import sys

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import scorer

MODEL = "credit-scorer"
MEANS = list(range(10))  # of the 30 measurements, the ten means; the rest are standard errors and extremes


def train_logistic(features, labels):
    """3.1.0: a small linear model that a risk officer can read: ten inputs, one weight each."""
    from sklearn.linear_model import LogisticRegression

    # Powers of ten, not measured deviations: the sum of a column depends on how the processor adds it up.
    scale = [10.0 ** (len(str(int(features[:, column].max()))) - 1) for column in MEANS]
    estimator = LogisticRegression(solver="liblinear", C=10.0, random_state=1, max_iter=1000)
    estimator.fit(features[:, MEANS] / scale, labels)
    values = {
        "columns": MEANS,
        "scale": scale,
        "coefficients": [float(weight) for weight in estimator.coef_[0]],
        "intercept": float(estimator.intercept_[0]),
    }
    return "logistic", values, lambda rows: estimator.predict_proba(rows[:, MEANS] / scale)[:, 1]


def train_forest(features, labels):
    """3.2.0: forty trees over all thirty measurements; better, and nobody can read it."""
    from sklearn.ensemble import RandomForestClassifier

    estimator = RandomForestClassifier(n_estimators=40, max_depth=6, random_state=1)
    estimator.fit(features, labels)
    trees = []
    for member in estimator.estimators_:
        tree = member.tree_
        trees.append([
            (-1, float(count[0][1] / count[0].sum()), 0, 0) if left < 0 else
            (int(column), float(threshold), int(left), int(right))
            for column, threshold, left, right, count in zip(
                tree.feature, tree.threshold, tree.children_left, tree.children_right, tree.value)
        ])
    return "forest", {"trees": trees}, lambda rows: estimator.predict_proba(rows)[:, 1]


VERSIONS = {"3.1.0": train_logistic, "3.2.0": train_forest}


def write(path, content):
    """All of it or nothing: a server never reads half an artefact."""
    new = f"{path}.{os.getpid()}"
    with open(new, "wb") as file:
        file.write(content)
    os.replace(new, path)


def main(version, directory):
    data = load_breast_cancer()
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, data.target, test_size=0.3, random_state=7, stratify=data.target)
    kind, values, reference = VERSIONS[version](train_x, train_y)

    served = scorer.probability_function({"kind": kind, "values": values})
    rows = test_x.tolist()
    answers = [served(row) for row in rows]
    worst = max(abs(answer - float(expected)) for answer, expected in zip(answers, reference(test_x)))
    if worst > 1e-9:
        sys.exit(f"train: {MODEL} {version}: what would be served differs from the trained model by {worst}")
    correct = sum((answer > 0.5) == bool(label) for answer, label in zip(answers, test_y))

    write(os.path.join(directory, f"{MODEL}-{version}.pickle"), pickle.dumps({
        "model": MODEL,
        "version": version,
        "algorithm": kind,
        "score": round(correct / len(rows), 4),
        "samples": len(rows),
        "parameters": {"kind": kind, "values": values},
    }, protocol=4))
    write(os.path.join(directory, "samples.json"), json.dumps(rows).encode())
    write(os.path.join(directory, "labels.json"), json.dumps([int(label) for label in test_y]).encode())


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in VERSIONS:
        sys.exit(f"usage: train.py {'|'.join(VERSIONS)} DIRECTORY")
    main(*sys.argv[1:])
