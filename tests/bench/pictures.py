"""Draws a benchmark run, from lines of `round,run,figure,value`, as SVG. What was not run is left
out.

usage: pictures.py FILE FOLDER
"""

import collections
import csv
import pathlib
import re
import statistics
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402  the backend is chosen before

OURS, OTHERS = "#1f6f8b", "#b0b7bd"
THROUGHPUT = [
    ("Fanfold, embedded", "embedded", OURS),
    ("Fanfold, TCP", "small", OURS),
    ("Fanfold, TCP, durable", "durable", OURS),
    ("bare ZeroMQ, 1,024 to a message", "bare-packed", OTHERS),
    ("bare ZeroMQ", "bare-small", OTHERS),
    ("bare SQLite, both sides", "bare-store", OTHERS),
    ("Python's Pool.map(chunksize=1000)", "python-pool", OTHERS),
]
LATENCY = [
    ("Fanfold, embedded", "embedded-job", "#6aaed6"),
    ("Fanfold, TCP", "job", OURS),
    ("bare ZeroMQ, TCP", "bare-job", "#d9822b"),
]
PERCENTILES = {"p5": 5, "p10": 10, "p25": 25, "p50": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99,
               "p999": 99.9}
MAKESPAN = [
    ("one of 8 workers ten times slower", "slow-worker.seconds", "slow-worker.bound", 1.15),
    ("the same, simulated", "simulated.slow-worker-measured", "simulated.slow-worker-reference",
     1.15),
    ("Pareto run times", "pareto.seconds", "pareto.bound", 1.05),
    ("the same, simulated", "simulated.pareto-measured", "simulated.pareto-reference", 1.05),
    ("two such jobs at once", "two-paretos.seconds", "two-paretos.bound", 1.05),
    ("the same, simulated", "simulated.two-paretos-measured", "simulated.two-paretos-reference",
     1.05),
    ("stragglers, p99, not hedged", "simulated.stragglers-200-unhedged-measured",
     "simulated.stragglers-200-unhedged-reference", None),
    ("stragglers, p99, hedged", "simulated.stragglers-200-hedged-measured",
     "simulated.stragglers-200-hedged-reference", 1.3),
]

folder = pathlib.Path(sys.argv[2])
samples = collections.defaultdict(list)
with open(sys.argv[1], encoding="utf-8") as file:
    for _, run, figure, value in csv.reader(file):
        samples[f"{run}.{figure}"].append(float(value))
medians = {name: statistics.median(each) for name, each in samples.items()}
pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "fanfold", "font.size": 9,
                        "axes.spines.top": False, "axes.spines.right": False})


def save(figure, name):
    figure.tight_layout()
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def throughput():
    bars = [(label, medians[f"{run}.per_second"], colour) for label, run,
            colour in THROUGHPUT if f"{run}.per_second" in medians]
    for name, value in medians.items():
        if match := re.fullmatch(r"peer-(.+)\.per_second", name):
            bars.append((match[1].replace("_", " "), value, OTHERS))
    if not bars:
        return
    bars.sort(key=lambda bar: bar[1])
    figure, axes = pyplot.subplots(figsize=(7, 0.5 + 0.28 * len(bars)))
    axes.barh([label for label, _, _ in bars], [value for _, value, _ in bars],
              color=[colour for _, _, colour in bars])
    for row, (_, value, _) in enumerate(bars):
        axes.text(value, row, f" {value / 1e6:.2f} M" if value >= 1e5 else f" {value / 1e3:.1f} k",
                  va="center", fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel("fragments of 16 bytes per second, two workers (logarithmic)")
    save(figure, "throughput")


def latency():
    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    for label, run, colour in LATENCY:
        points = [(medians[f"{run}.{name}_us"], part) for name, part in PERCENTILES.items()
                  if f"{run}.{name}_us" in medians]
        if points:
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=3,
                      label=label, color=colour)
    if axes.lines:
        axes.set_xscale("log")
        axes.set_xlabel("µs from opening a job of 10 fragments to its end (logarithmic)")
        axes.set_ylabel("% of the jobs")
        axes.legend(frameon=False)
        save(figure, "latency")
    pyplot.close(figure)


def makespan():
    bars = [(label, medians[a] / medians[b], most) for label, a, b, most in MAKESPAN if a in medians
            and b in medians]
    if not bars:
        return
    bars.reverse()
    figure, axes = pyplot.subplots(figsize=(7, 0.7 + 0.3 * len(bars)))
    axes.barh(range(len(bars)), [ratio for _, ratio, _ in bars], color=OURS)
    axes.set_yticks(range(len(bars)), [label for label, _, _ in bars])
    for row, (_, ratio, most) in enumerate(bars):
        axes.text(max(ratio, most or 0), row, f"  {ratio:.2f}", va="center", fontsize=8)
        if most:
            axes.plot([most, most], [row - 0.4, row + 0.4], color="#c0392b")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("time over that without overhead, or without stragglers (red: wanted at most)")
    save(figure, "makespan")


def curve(axes, pattern, labels, what):
    for name, colour in labels:
        points = sorted((float(match[1]), value) for key, value in medians.items()
                        if (match := re.fullmatch(pattern.format(name), key)))
        if points:
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=3,
                      label=name, color=colour)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_title(what, fontsize=9)
    axes.legend(frameon=False)


def cost():
    if not any(name.startswith(("scale.", "cores.")) for name in medians):
        return
    cores = [("broker", OURS), ("gatherer", "#d9822b")]
    steps = [("decision", OURS), ("accepted_block", "#d9822b"), ("inventory", "#7f8c8d")]
    figure, ((time, books), (workers, jobs)) = pyplot.subplots(2, 2, figsize=(8, 5.6))
    curve(time, r"scale\.{}-(.+)-ns", cores, "cores: ns per fragment")
    curve(books, r"scale\.{}-(.+)-books", cores, "books: bytes per fragment")
    curve(workers, r"cores\.{}-(\d+)-1", steps, "broker's core: ns per step")
    curve(jobs, r"cores\.{}-100-(\d+)", steps, "broker's core: ns per step, 100 workers")
    books.set_ylim(0.0001, 10)
    books.set_yscale("log")
    for axes in (time, books):
        axes.set_xlabel("millions of fragments in the job")
    workers.set_xlabel("workers, one job")
    jobs.set_xlabel("open jobs")
    save(figure, "cost")


throughput()
latency()
makespan()
cost()
