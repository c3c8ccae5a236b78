# SPDX-License-Identifier: GPL-2.0-only
"""A trained model as it is served: the parameters that training left behind, and the arithmetic that uses them.

Training (train.py) writes an artefact, a pickle of plain numbers; a server reads it and needs neither scikit-learn nor numpy to
answer, which is what lets five servers start in half a second and answer thousands of requests a second on two cores.
train.py refuses to write an artefact whose answers differ from those of the estimator that it was taken from.
"""

import hashlib
import math
import pickle
from array import array

FEATURES = 30
LABELS = ("decline", "approve")


class Artefact:
    """One released version of a model: what it is, how well it did on held-out data, and how to ask it."""

    def __init__(self, path):
        with open(path, "rb") as file:
            raw = file.read()
        fields = pickle.loads(raw)
        self.digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        self.model = fields["model"]
        self.version = fields["version"]
        self.algorithm = fields["algorithm"]
        self.score = fields["score"]
        self.samples = fields["samples"]
        self.probability = probability_function(fields["parameters"])

    def predict(self, features):
        """(label, probability of "approve") for a list of FEATURES finite numbers."""
        probability = self.probability(features)
        return LABELS[probability > 0.5], probability


def probability_function(parameters):
    return {"logistic": logistic, "forest": forest}[parameters["kind"]](**parameters["values"])


def logistic(columns, scale, coefficients, intercept):
    """Logistic regression on some of the columns, each divided by a fixed scale."""
    weights = [(column, weight / by) for column, by, weight in zip(columns, scale, coefficients)]

    def probability(features):
        z = intercept
        for column, weight in weights:
            z += features[column] * weight
        return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))

    return probability


def forest(trees):
    """The mean over decision trees; a tree is one list of (column, threshold, left, right), a leaf (-1, value, 0, 0)."""
    share = 1.0 / len(trees)

    def probability(features):
        # scikit-learn compares in single precision; in double, a value on a threshold could go the other way.
        features = array("f", features)
        total = 0.0
        for nodes in trees:
            column, value, left, right = nodes[0]
            while column >= 0:
                column, value, left, right = nodes[left if features[column] <= value else right]
            total += value
        return total * share

    return probability
