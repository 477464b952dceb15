"""Prints the table of a benchmark run, with medians, from lines of `round,run,figure,value`.

usage: table.py FILE
"""

import collections
import csv
import statistics
import sys

# Work, what is measured, its reference (a figure of another run, or a number), and the ratio wanted.
ROWS = [
    ("16-byte echo, TCP, in order / bare, unpacked", "small.per_second", "bare-small.per_second", ">= 10"),
    ("16-byte echo, TCP, in order / bare, packed", "small.per_second", "bare-packed.per_second", ">= 1.5"),
    ("16-byte echo, durable / volatile", "durable.per_second", "small-beside.per_second", ">= 0.5 or next"),
    ("16-byte echo, durable / bare SQLite", "durable.per_second", "bare-store.per_second", ">= 0.6 or last"),
    ("job of 10, p50 µs / bare", "job.p50_us", "bare-job.p50_us", "<= 1.0"),
    ("job of 10, p99 µs / bare", "job.p99_us", "bare-job.p99_us", "<= 1.2"),
    ("1 MiB echo, TCP, in order, MB/s / bare", "large.mb_per_second", "bare-large.mb_per_second", ">= 1.2"),
    ("/bin/true, 2 slots / posix_spawn loop", "commands.per_second", "posix-spawn.per_second", ">= 0.9"),
    ("/bin/true, 2 slots / xargs -P2", "commands.per_second", "xargs.per_second", ">= 1.0"),
    ("/bin/true, 2 slots / GNU parallel -j2", "commands.per_second", "parallel.per_second", ">= 8"),
    ("lines through the CLI", "lines.per_second", 5e6, ">= 1.0"),
    ("lines through the CLI, durable", "lines-durable.per_second", 2e6, ">= 1.0"),
    ("lines, peak MiB / of a quarter of them", "lines.peak_mib", "lines-quarter.peak_mib", "<= 1.1"),
    ("16-byte handlers, embedded / Python's Pool.map", "embedded.per_second", "python-pool.per_second", ">= 10"),
    ("job of 10, embedded, p50 µs / bare TCP", "embedded-job.p50_us", "bare-job-beside.p50_us", "<= 0.4"),
    ("10 µs handlers, embedded / pool of threads", "work.per_second", "pool.per_second", ">= 0.9"),
]

values = collections.defaultdict(list)
with open(sys.argv[1], encoding="utf-8") as file:
    for _, run, figure, value in csv.reader(file):
        values[f"{run}.{figure}"].append(float(value))
medians = {name: statistics.median(each) for name, each in values.items()}

LINE = "| {:<47} | {:>12} | {:>12} | {:>7} | {:<14} |"
print(LINE.format("work", "measured", "reference", "ratio", "wanted"))
print("|---|--:|--:|--:|---|")
for work, measured_name, reference_name, wanted in ROWS:
    measured = medians.get(measured_name)
    reference = medians.get(reference_name) if isinstance(reference_name, str) else reference_name
    if measured is not None and reference is not None:
        print(LINE.format(work, f"{measured:,.0f}", f"{reference:,.0f}", f"{measured / reference:.2f}", wanted))
