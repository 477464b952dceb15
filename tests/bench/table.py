"""Prints the table of a benchmark run, with medians, from lines of `round,run,figure,value`.

usage: table.py FILE
"""

import collections
import csv
import statistics
import sys

# Work, what is measured, its reference (a figure of another run, or a number), and the ratio
# wanted.
ROWS = [
    ("16-byte echo, TCP, in order / bare, unpacked", "small.per_second", "bare-small.per_second",
     ">= 10"),
    ("16-byte echo, TCP, in order / bare, packed", "small.per_second", "bare-packed.per_second",
     ">= 1.5"),
    ("16-byte echo, durable / volatile", "durable.per_second", "small-beside.per_second",
     ">= 0.5 or next"),
    ("16-byte echo, durable / bare SQLite", "durable.per_second", "bare-store.per_second",
     ">= 0.6 or last"),
    ("job of 10, p50 µs / bare", "job.p50_us", "bare-job.p50_us", "<= 1.0"),
    ("job of 10, p99 µs / bare", "job.p99_us", "bare-job.p99_us", "<= 1.2"),
    ("1 MiB echo, TCP, in order, MB/s / bare", "large.mb_per_second", "bare-large.mb_per_second",
     ">= 1.2"),
    ("/bin/true, 2 slots / posix_spawn loop", "commands.per_second", "posix-spawn.per_second",
     ">= 0.9"),
    ("/bin/true, 2 slots / xargs -P2", "commands.per_second", "xargs.per_second", ">= 1.0"),
    ("/bin/true, 2 slots / GNU parallel -j2", "commands.per_second", "parallel.per_second", ">= 8"),
    ("lines through the CLI", "lines.per_second", 5e6, ">= 1.0"),
    ("lines through the CLI, durable", "lines-durable.per_second", 2e6, ">= 1.0"),
    ("lines, peak MiB / of a quarter of them", "lines.peak_mib", "lines-quarter.peak_mib",
     "<= 1.1"),
    ("16-byte handlers, embedded / Python's Pool.map", "embedded.per_second",
     "python-pool.per_second", ">= 10"),
    ("job of 10, embedded, p50 µs / bare TCP", "embedded-job.p50_us", "bare-job-beside.p50_us",
     "<= 0.4"),
    ("10 µs handlers, embedded / pool of threads", "work.per_second", "pool.per_second", ">= 0.9"),
    ("64 KiB echo, with keys, MB/s / without", "chunks-secure.mb_per_second",
     "chunks-volatile.mb_per_second", ">= 0.3"),
    ("1 MiB echo, with keys, MB/s / 200", "large-secure.mb_per_second", 200, ">= 1"),
    ("1 MiB echo, with keys, MB/s / without", "large-secure.mb_per_second",
     "large-volatile.mb_per_second", ""),
    ("16-byte echo, with keys / without", "small-secure.per_second", "small-volatile.per_second",
     ""),
    ("job of 10, with keys, p50 µs / without", "job-secure.p50_us", "job-volatile.p50_us", ""),
    ("one of 8 workers ten times slower, s / ideal", "slow-worker.seconds", "slow-worker.bound",
     "<= 1.15"),
    ("Pareto run times, 8 slots, s / greedy", "pareto.seconds", "pareto.bound", "<= 1.05"),
    ("two such jobs at once, s / greedy", "two-paretos.seconds", "two-paretos.bound", "<= 1.05"),
    ("simulated: slow worker, s / ideal", "simulated.slow-worker-measured",
     "simulated.slow-worker-reference", "<= 1.15"),
    ("simulated: Pareto, s / greedy", "simulated.pareto-measured", "simulated.pareto-reference",
     "<= 1.05"),
    ("simulated: two jobs, s / greedy", "simulated.two-paretos-measured",
     "simulated.two-paretos-reference", "<= 1.05"),
    *[
        (f"stragglers in {n}, {what}", f"simulated.stragglers-{n}-{name}-measured",
         f"simulated.stragglers-{n}-{name}-reference", wanted)
        for n in (200, 2000)
        for name, what, wanted in (
            ("unhedged", "not hedged, p99 s / calm", ""),
            ("hedged", "p99 s / calm", "<= 1.3"),
            ("executions", "executions", "<= 1.05"),
        )
    ],
    ("broker, 100 idle workers, % of a core", "idle.broker_percent", 1, "<= 1"),
    ("the 100 idle workers, % of a core", "idle.workers_percent", 1, ""),
    ("broker's core, ns a fragment, 100 M / 1 M", "scale.broker-100-ns", "scale.broker-1-ns",
     "<= 1.1"),
    ("broker's books, bytes a fragment, 1 M", "scale.broker-1-books", 1, "<= 1"),
    ("broker's books, bytes a fragment, 100 M", "scale.broker-100-books", 1, "<= 1"),
    ("gatherer's core, ns a fragment, 100 M / 1 M", "scale.gatherer-100-ns", "scale.gatherer-1-ns",
     "<= 1.1"),
    ("gatherer's books, bytes a fragment, 100 M", "scale.gatherer-100-books", 1, ""),
    # A logarithm grows by a factor of 4 from 10 to 10,000, and by more from 1: what it costs is
    # compared with that.
    *[
        (f"{what}, ns, 10,000 / 10 workers", f"cores.{name}-10000-1", f"cores.{name}-10-1", "<= 4")
        for name, what in (("decision", "a decision"), ("accepted_block", "a block"),
                           ("inventory", "an inventory"))
    ],
    *[
        (f"{what}, ns, 10,000 / 100 jobs", f"cores.{name}-100-10000", f"cores.{name}-100-100",
         "<= 2")
        for name, what in (("decision", "a decision"), ("accepted_block", "a block"),
                           ("inventory", "an inventory"))
    ],
]

values = collections.defaultdict(list)
with open(sys.argv[1], encoding="utf-8") as file:
    for _, run, figure, value in csv.reader(file):
        values[f"{run}.{figure}"].append(float(value))
medians = {name: statistics.median(each) for name, each in values.items()}



def shown(value):
    """Three digits of a small number, all of a large one."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


LINE = "| {:<47} | {:>12} | {:>12} | {:>7} | {:<14} |"
print(LINE.format("work", "measured", "reference", "ratio", "wanted"))
print("|---|--:|--:|--:|---|")
for work, measured_name, reference_name, wanted in ROWS:
    measured = medians.get(measured_name)
    reference = medians.get(reference_name) if isinstance(reference_name, str) else reference_name
    if measured is not None and reference is not None:
        print(LINE.format(work, shown(measured), shown(reference), f"{measured / reference:.2f}",
                          wanted))

# Other systems, where they were run.
peers = sorted({name[len("peer-") :].partition(".")[0] for name in medians
                if name.startswith("peer-")})
FIGURES = ["per_second", "p50_us", "p99_us", "commands_per_second"]
OURS = ["small.per_second", "job.p50_us", "job.p99_us", "commands.per_second"]
PEER_LINE = "| {:<12} | {:>18} | {:>16} | {:>10} | {:>14} |"
if peers:
    print()
    print(PEER_LINE.format("system", "16 bytes, a second", "job of 10, p50 µs", "p99 µs",
                           "/bin/true, a s"))
    print("|---|--:|--:|--:|--:|")
    rows = [("Fanfold", OURS)] + [(name, [f"peer-{name}.{figure}" for figure in FIGURES])
                                  for name in peers]
    for name, figures in rows:
        print(PEER_LINE.format(name,
                               *(shown(medians[figure]) if figure in medians else ""
                                 for figure in figures)))
