# SPDX-License-Identifier: GPL-2.0-only
"""What came out: text for people, TSV for machines, plots. Medians and quartiles; ratios are of runs of one round, which lie seconds apart."""

import dataclasses
import datetime
import math
import pathlib
import platform
import statistics
import subprocess

from contender import NAMES, versions
from measure import LOADS
from segment import BenchError

REFERENCE = "nft"
FIGURES = {"rate": {"connections": ("connections a second", 0), "requests": ("requests a second", 0), "bytes": ("MB/s", 0)},
           "cost": {"connections": ("gateway CPU seconds for a million connections", 1), "requests": ("gateway CPU seconds for a million requests", 1),
                    "bytes": ("gateway CPU seconds for a GB", 3)},
           "p50": {"connections": ("median until the answer, µs", 0), "requests": ("median until the answer, µs", 0)},
           "p99": {"connections": ("99 % answered within, µs", 0), "requests": ("99 % answered within, µs", 0)}}


@dataclasses.dataclass(frozen=True)
class Cell:
    median: float
    low: float
    high: float
    ratio: float  # to REFERENCE in the same rounds, median; nan if there is none
    runs: int
    disturbed: bool  # there was no undisturbed run, so these are of disturbed ones


def quartiles(values):
    if len(values) < 2:
        return (values[0],) * 3 if values else (math.nan,) * 3
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


class Results:
    def __init__(self, counts):
        self.counts = counts
        self.runs = {}  # (load, count, contender) -> {round: Run}
        self.failures, self.again = [], []
        self.idle = {}

    def add(self, turn, load, count, contender, run):
        self.runs.setdefault((load, count, contender), {})[turn] = run

    def fail(self, text):
        self.failures.append(text)

    def all_runs(self):
        return [run for turns in self.runs.values() for run in turns.values()]

    def cell(self, load, count, contender, figure):
        """None if there was no run."""
        turns = self.runs.get((load, count, contender), {})
        if not turns:
            return None
        good = {turn: run for turn, run in turns.items() if not run.is_disturbed()} or turns
        values = [run.figures[figure] for run in good.values()]
        low, median, high = quartiles(values)
        other = self.runs.get((load, count, REFERENCE), {})
        ratios = [run.figures[figure] / other[turn].figures[figure] for turn, run in good.items()
                  if turn in other and other[turn].figures[figure] > 0]
        return Cell(median, low, high, statistics.median(ratios) if ratios else math.nan, len(values), good is turns and any(
            run.is_disturbed() for run in turns.values()))


def machine():
    cpu = "?"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    return f"Linux {platform.release()}, {cpu}, {date}"


def blocks():
    """(load, figure, title, digits after the point)"""
    return [(load, figure, *FIGURES[figure][LOADS[load].unit]) for load in LOADS for figure in LOADS[load].figures]


def text(results, how):
    lines = [machine(), ", ".join(versions().values()), how, ""]
    lines.append(f"Medians (quartiles), and the ratio to {REFERENCE} within one round. ~: only disturbed runs. Rates are what the ends' own processor "
                 "gives; cost is the gateway's." if len(results.counts) > 1 else
                 "~: only disturbed runs. Rates are what the ends' own processor gives; CPU is the gateway's.")
    lines += one_table(results) if len(results.counts) == 1 else all_blocks(results)
    return "\n".join(lines + [""] + notes(results)) + "\n"


def all_blocks(results):
    lines = []
    for load, figure, title, digits in blocks():
        lines += ["", f"{title}: {LOADS[load].text}", f"{'':12}" + "".join(f"{f'{count} backends' if count > 1 else '1 backend':>34}"
                                                                            for count in results.counts)]
        for name in NAMES:
            if figure == "cost" and name == "direct":
                continue
            lines.append(f"{name:12}" + "".join(f"{cell_text(results.cell(load, count, name, figure), digits):>34}" for count in results.counts))
    return lines


def one_table(results):
    """For one number of backends: medians only, a line for each contender."""
    columns = blocks()
    lines = ["", f"{results.counts[0]} backends; connections and requests: a second, CPU seconds for a million; MB: a second, CPU seconds for a GB; p50, p99: µs"]
    lines += [f"  {name:12} {load.text}" for name, load in LOADS.items()]
    lines += ["", f"{'':12}" + "".join(f"{load if load != last else '':>12}" for last, (load, *_) in zip((None, *(column[0] for column in columns)), columns)),
              f"{'':12}" + "".join(f"{'CPU' if figure == 'cost' else figure:>12}" for _, figure, *_ in columns)]
    for name in NAMES:
        line = f"{name:12}"
        for load, figure, _, digits in columns:
            cell = results.cell(load, results.counts[0], name, figure)
            line += f"{'failed' if not cell else '' if (name, figure) == ('direct', 'cost') else '~' * cell.disturbed + f'{cell.median:.{digits}f}':>12}"
        lines.append(line)
    return lines


def cell_text(cell, digits):
    if not cell:
        return "failed"
    spread = f" ({cell.low:.{digits}f}-{cell.high:.{digits}f})" if cell.runs > 1 else ""
    ratio = f"{cell.ratio:6.2f}" if not math.isnan(cell.ratio) else "      "
    return f"{'~' if cell.disturbed else ''}{cell.median:.{digits}f}{spread} {ratio}"


def notes(results):
    runs = results.all_runs()
    attributed = [run.attributed for run in runs if not math.isnan(run.attributed) and run.attributed > 0]
    lines = ["idle, share of a processor: " + ", ".join(f"{name} {share:.4f}" for name, share in results.idle.items() if share)]
    lines.append(f"{len(runs)} runs, {sum(run.is_disturbed() for run in runs)} disturbed by others (median share of both processors "
                 f"{statistics.median([run.others for run in runs] or [0]):.3f}) or the hypervisor")
    if attributed:
        low, median, high = quartiles(attributed)
        lines.append(f"of the time that the gateway's processor was busy, {median:.2f} ({low:.2f}-{high:.2f}) is attributed to the contender")
    for (load, count, name), turns in results.runs.items():
        late = sum(run.late for run in turns.values())
        if late and LOADS[load].unit != "bytes":
            lines.append(f"{name}, {count} backends, {load}: {late} took more than 180 ms")
    lines += [f"tried again, since others had the processors: {what}" for what in results.again]
    return lines + [f"FAILED: {failure}" for failure in results.failures]


def table(results):
    rows = ["\t".join(("load", "figure", "unit", "backends", "contender", "median", "low", "high", f"ratio_to_{REFERENCE}", "runs", "disturbed"))]
    for load, figure, title, _ in blocks():
        for count in results.counts:
            for name in NAMES:
                cell = results.cell(load, count, name, figure)
                if cell:
                    rows.append("\t".join((load, figure, title, str(count), name, f"{cell.median:.6g}", f"{cell.low:.6g}", f"{cell.high:.6g}",
                                           f"{cell.ratio:.4f}", str(cell.runs), str(int(cell.disturbed)))))
    return "\n".join(rows) + "\n"


def plot(results, path):
    """One SVG: a panel for each figure, a group of bars for each contender, a bar for each number of backends."""
    panels = blocks()
    script = [f"set terminal svg size 1300,{290 * ((len(panels) + 1) // 2)} background '#ffffff' font ',11'", f"set output '{path}'",
              f"set multiplot layout {(len(panels) + 1) // 2},2 title '{machine()}' noenhanced", "set style data histograms",
              "set style histogram clustered gap 2 errorbars lw 1", "set style fill solid 0.8", "set grid ytics", "set yrange [0:*]",
              "set datafile missing '-'", "set xtics rotate by -25 noenhanced", "set key outside right"]
    for number, (load, figure, title, _) in enumerate(panels):
        script.append(f"$panel{number} << END")
        for name in NAMES:
            cells = [results.cell(load, count, name, figure) for count in results.counts]
            if figure == "cost" and name == "direct":
                continue
            script.append(f'"{name}" ' + " ".join(f"{cell.median:.6g} {cell.low:.6g} {cell.high:.6g}" if cell else "- - -" for cell in cells))
        bars = ", ".join(f"$panel{number} using {3 * i + 2}:{3 * i + 3}:{3 * i + 4}{'' if i else ':xtic(1)'} title '{count}'"
                         for i, count in enumerate(results.counts))
        script += ["END", f"set title \"{title}\\n{LOADS[load].text}\" noenhanced font ',10'", f"plot {bars}"]
    done = subprocess.run(["gnuplot"], input="\n".join(script) + "\nunset multiplot\n", capture_output=True, text=True, check=False)
    if done.returncode or done.stderr.strip():
        raise BenchError(f"gnuplot: {done.stderr.strip()[-400:]}")
