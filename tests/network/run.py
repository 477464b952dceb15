#!/usr/bin/env python3
"""Runs the scenarios of the test network and prints their table; exits with 0 if all is well.

Needs root and /dev/net/tun; exits with 77 where they are missing. Everything runs in namespaces
of its own, and ends with this program, whatever ends it."""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chaos
from scenarios import SCENARIOS
from stage import play

SKIPPED = 77
INSIDE = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
          "--kill-child", "--mount-proc"]
COLUMNS = ("seconds", "ideal", "ratio", "bytes", "lost", "doubled", "hung", "crashed", "again",
           "ok")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, prog="network.sh",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="what takes less than a minute; no line fails for its time alone, since other "
                             "tests may run beside it")
    parser.add_argument("--only", metavar="REGEX", default="", help="scenarios with such names")
    parser.add_argument("--list", action="store_true", help="print the names of the scenarios")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of losses (1)")
    parser.add_argument("--parallel", type=int, default=8, metavar="N",
                        help="scenarios at a time (8); those that are about time run alone")
    parser.add_argument("--chaos", type=float, metavar="MINUTES",
                        help="instead: jobs one after the other, and faults at random, for so long")
    parser.add_argument("--keep", metavar="FOLDER", help="keep logs and records there")
    parser.add_argument("--folder", help=argparse.SUPPRESS)  # inside of the namespaces
    return parser.parse_args(arguments)


def chosen(options):
    return [each for each in SCENARIOS if re.search(options.only, each.name)
            and (each.short or not options.short)]


def why_not():
    """Why nothing can be run here; None if it can."""
    if os.geteuid() != 0:
        return "it needs root"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    tried = subprocess.run([*INSIDE, "unshare", "--net", "true"], capture_output=True, text=True)
    return tried.stderr.strip() or None if tried.returncode else None


def line(row):
    found = row.findings
    if found is None:
        cells = ["-"] * (len(COLUMNS) - 1)
    else:
        ratio = f"{row.seconds / row.ideal:.2f}"
        bytes_ratio = "-" if row.bytes_ratio is None else f"{row.bytes_ratio:.2f}"
        cells = [f"{row.seconds:.1f}", f"{row.ideal:.1f}", ratio, bytes_ratio, found.lost,
                 found.doubled, row.hung, found.crashed, found.second_starts]
    ok = "no: " + ", ".join(row.wrong) if row.wrong else "yes"
    return f"{row.name:<40}" + "".join(f"{cell:>8}" for cell in cells) + f"  {ok}"


def run_all(options):
    programs = Path(os.environ["FANFOLD_BIN"]).absolute()
    if options.chaos:
        return 0 if chaos.play(Path(options.folder), programs, options.chaos * 60,
                               options.seed) else 1
    said = threading.Lock()

    def one(scenario):
        name = re.sub(r"\W+", "-", scenario.name)
        folder = Path(options.folder) / name
        folder.mkdir()
        row = play(scenario, folder, programs, options.seed, timed=not options.short)
        with said:
            print(line(row), file=sys.stderr, flush=True)
        return scenario.name, row

    def alone(scenario):
        return scenario.alone and not options.short

    scenarios = sorted(chosen(options), key=lambda each: -each.job.seconds())
    with ThreadPoolExecutor(options.parallel) as pool:
        rows = dict(pool.map(one, [each for each in scenarios if not alone(each)]))
    rows |= dict(map(one, [each for each in scenarios if alone(each)]))
    print(f"{'scenario':<40}" + "".join(f"{each:>8}" for each in COLUMNS[:-1]) + "  ok")
    table = [rows[scenario.name] for scenario in chosen(options)]
    print(*map(line, table), sep="\n")
    good = sum(not row.wrong for row in table)
    print(f"{good} of {len(table)} are well")
    return 0 if table and good == len(table) else 1


def main(arguments):
    options = parse(arguments)
    if options.list:
        print(*(each.name for each in chosen(options)), sep="\n")
        return 0
    if options.folder:
        return run_all(options)
    reason = why_not()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="fanfold-network-") as folder:
        inside = subprocess.Popen([*INSIDE, sys.executable, "-B", __file__, *arguments,
                                   "--folder", folder])
        try:
            return inside.wait()
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        finally:
            inside.kill()  # and with it all that it started
            inside.wait()
            if options.keep:
                shutil.copytree(folder, options.keep, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
