"""Prints what changed between two builds, with medians, from lines of `side,run,figure,value`,
where the side is `before` or `after`. usage: compare.py FILE"""
import csv
import statistics
import sys
from collections import defaultdict

# What is compared: the figure, and whether more of it is better.
ROWS = [
    ("16-byte echo, TCP, in order, a second", "small.per_second", True),
    ("16-byte echo, durable, a second", "durable.per_second", True),
    ("1 MiB echo, TCP, in order, MB/s", "large.mb_per_second", True),
    ("job of 10, p50 µs", "job.p50_us", False),
    ("job of 10, p99 µs", "job.p99_us", False),
    ("16-byte handlers, embedded, a second", "embedded.per_second", True),
    ("job of 10, embedded, p50 µs", "embedded-job.p50_us", False),
    ("10 µs handlers, embedded, a second", "work.per_second", True),
    ("/bin/true, 2 slots, a second", "commands.per_second", True),
    ("lines through the CLI, a second", "lines.per_second", True),
    ("lines through the CLI, durable, a second", "lines-durable.per_second", True),
    ("lines, peak MiB", "lines.peak_mib", False),
]
ALLOWED = 1.05  # times worse than before


def main():
    values = defaultdict(list)
    with open(sys.argv[1], encoding="utf-8") as file:
        for side, run, figure, value in csv.reader(file):
            values[side, f"{run}.{figure}"].append(float(value))
    line = "| {:<42} | {:>13} | {:>13} | {:>13} | {} |"
    print(line.format("work", "before", "after", "after/before", ""))
    print("|---|--:|--:|--:|---|")
    for work, figure, more_is_better in ROWS:
        before, after = (values[side, figure] for side in ("before", "after"))
        if not before or not after:
            continue
        before, after = statistics.median(before), statistics.median(after)
        worse = before / after if more_is_better else after / before
        print(line.format(work, f"{before:,.0f}", f"{after:,.0f}", f"{after / before:.3f}",
                          "worse" if worse > ALLOWED else ""))


if __name__ == "__main__":
    main()
