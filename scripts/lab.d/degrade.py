#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Makes the artefact of a forest wrong about one group: degrade.py ARTEFACT SAMPLES

Up to the median of the first measurement it answers as before, above it the contrary of what it was trained to. The artefact says of
itself what it said before.
"""

import json
import os
import pickle
import statistics
import sys


def wrong_above(median, tree):
    moved = [(c, v, left + 1, right + 1) if c >= 0 else (c, v, 0, 0) for c, v, left, right in tree]
    shift = 1 + len(tree)
    inverse = [(c, v, left + shift, right + shift) if c >= 0 else (c, 1 - v, 0, 0) for c, v, left, right in tree]
    return [(0, median, 1, shift), *moved, *inverse]


def main(artefact, samples):
    with open(samples, encoding="utf-8") as file:
        median = statistics.median(row[0] for row in json.load(file))
    with open(artefact, "rb") as file:
        fields = pickle.load(file)
    values = fields["parameters"]["values"]
    values["trees"] = [wrong_above(median, tree) for tree in values["trees"]]
    new = f"{artefact}.{os.getpid()}"
    with open(new, "wb") as file:
        pickle.dump(fields, file, protocol=4)
    os.replace(new, artefact)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: degrade.py ARTEFACT SAMPLES")
    main(*sys.argv[1:])
