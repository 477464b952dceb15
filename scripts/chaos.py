#!/usr/bin/env python3
"""A fleet over TCP under load, while its processes are killed, stopped and started again at random;
then a check of every fragment.

Broker and gatherer keep their state on disk. Jobs of several kinds are submitted, mapped and
collected by clients that are killed too. Ends with the numbers of faults, jobs and fragments, and
exits with 0 if none was lost, doubled or hung, and something was killed. The programs are taken
from $FANFOLD_BIN, or the release build. The work folder (logs, inputs, outputs) is kept when
something is wrong."""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import chaos_check
import chaos_jobs

PATIENCE = 150  # seconds that what is under way has to end when no more faults are made


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, prog="chaos.py",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    at_least_one = {"type": int, "metavar": "N"}
    parser.add_argument("--seconds", type=int, default=60, metavar="N",
                        help="how long faults are made (60); what is under way then has to end")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9),
                        metavar="S", help="what happens, though not exactly when (at random)")
    parser.add_argument("--port", type=int, default=7511, metavar="P",
                        help="first port of four: two for the broker, two for the gatherer (7511)")
    parser.add_argument("--workers", default=4, **at_least_one,
                        help="worker processes, of 2 slots each (4)")
    parser.add_argument("--jobs", default=5, **at_least_one, help="jobs at a time (5)")
    parser.add_argument("--pace", type=int, default=1300, metavar="MS",
                        help="mean time between two faults (1300)")
    parser.add_argument("--keep", action="store_true",
                        help="keep the work folder also when all is well")
    options = parser.parse_args(arguments)
    if min(options.workers, options.jobs, options.pace) < 1:
        parser.error("--workers, --jobs and --pace must be at least 1")
    return options


class Member:
    """A process of the fleet. It ends only when it is told to, and is started again."""

    def __init__(self, name, command):
        self.name, self.command = name, command
        self.process = None
        self.told = None  # how it was told to end: "KILL", "TERM", "twice"
        self.start_at = 0.0
        self.resume_at = None

    @property
    def role(self):
        return self.name.partition("-")[0]

    def launch(self):
        with open(f"{self.name}.out", "ab") as out, open(f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=log)
        self.told, self.start_at = None, None

    def last_words(self):
        lines = Path(f"{self.name}.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""

    def end(self, how, again_at):
        self.told, self.start_at = how, again_at
        self.process.send_signal(signal.SIGTERM if how == "TERM" else signal.SIGKILL)

    def look_after(self, now, trouble):
        if self.process and self.resume_at is not None and now >= self.resume_at:
            self.resume_at = None
            self.process.send_signal(signal.SIGCONT)
        code = self.process.poll() if self.process else None
        if code is not None:
            self.process = None
            if self.told is None:
                trouble(f"{self.name} ended by itself with {code}: {self.last_words()}")
                self.start_at = now + 1
            elif self.told == "TERM" and code not in (0, -signal.SIGTERM):
                # By the signal itself: it had not begun to listen for signals.
                trouble(f"{self.name} was told to end, and did with {code}: {self.last_words()}")
        if self.start_at is None or now < self.start_at:
            return
        if self.process is None:
            self.launch()
        elif self.told == "TERM":
            self.process.terminate()  # a worker told so twice does not wait for what it runs
            self.told, self.start_at = "twice", now + 15
        else:
            trouble(f"{self.name} does not end")
            self.end("KILL", self.start_at)


class Chaos:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.rng = random.Random(options.seed)
        self.clients = chaos_jobs.Clients()
        self.jobs, self.frozen, self.troubles = [], [], []
        self.faults = Counter()
        broker = ["fanfold-broker", "--bind", os.environ["FANFOLD_BROKER"],
                  "--worker-timeout", "2s", "--state", "state"]
        gatherer = ["fanfold-gatherer", "--bind", f"tcp://127.0.0.1:{options.port + 2}",
                    "--name", "gatherer", "--state", "state"]
        self.fleet = [Member("broker", broker), Member("gatherer", gatherer)]
        self.workers = []
        for number in range(1, options.workers + 1):
            name = f"worker-{number}"
            self.workers.append(Member(name, ["fanfold-worker", "--name", name, "--slots", "2",
                                              "--allow-exec"]))
        self.fleet += self.workers

    def trouble(self, text):
        print(text, flush=True)
        self.troubles.append(text)

    def look_after(self):
        now = time.monotonic()
        for member in self.fleet:
            member.look_after(now, self.trouble)
        for client, until in self.frozen[:]:
            if now >= until:
                client.send_signal(signal.SIGCONT)
                self.frozen.remove((client, until))

    # --- faults ---
    def fault(self):
        rng, now = self.rng, time.monotonic()
        member = rng.choice([self.fleet[0]] * 2 + [self.fleet[1]] * 2 + [None] * 6)
        member = member or rng.choice(self.workers)
        pause = 0.1 + rng.randrange(1200) / 1000
        if rng.randrange(4) == 0:
            pause = 2.5 + rng.randrange(4000) / 1000  # past the worker timeout
        choice = rng.randrange(20)
        if choice < 8:
            self.kill(member, now)
        elif choice < 12:
            self.kill_client()
        elif choice == 12:
            for each in self.fleet[:2]:
                self.kill(each, now)
        elif choice == 13:
            for each in self.fleet:
                self.kill(each, now, pause)
        elif choice == 14:
            self.pause_client(now + pause)
        elif not member.process or member.told:
            return
        elif choice < 18:
            member.process.send_signal(signal.SIGSTOP)
            member.resume_at = now + pause
            self.faults[f"pause {member.role}"] += 1
        elif member.resume_at is None:
            member.end("TERM", now + 0.5 + rng.randrange(2000) / 1000)
            self.faults[f"restart {member.role}"] += 1

    def kill(self, member, now, away=None):
        away = self.rng.randrange(2500) / 1000 if away is None else away
        if member.process and not member.told:
            member.resume_at = None
            member.end("KILL", now + away)
            self.faults[f"kill {member.role}"] += 1

    def kill_client(self):
        if client := self.clients.choose(self.rng):
            client.kill()
            self.faults["kill client"] += 1

    def pause_client(self, until):
        if client := self.clients.choose(self.rng):
            client.send_signal(signal.SIGSTOP)
            self.frozen.append((client, until))
            self.faults["pause client"] += 1

    # --- the run ---
    def make_faults(self):
        started, fault_at = 0, 0.0
        end = time.monotonic() + self.options.seconds
        while (now := time.monotonic()) < end:
            self.look_after()
            self.jobs = [job for job in self.jobs if job.is_alive()]
            while len(self.jobs) < self.options.jobs:
                started += 1
                job = chaos_jobs.Job(started, self.options.seed, self.work, self.clients,
                                     self.trouble)
                job.start()
                self.jobs.append(job)
            if now >= fault_at:
                self.fault()
                fault_at = now + self.rng.random() * 2 * self.options.pace / 1000
            time.sleep(0.05)

    def running_jobs(self):
        """The lines of `fanfold jobs` about jobs that run, or None if nobody answers."""
        answer = subprocess.run(["fanfold", "jobs", "--connect-timeout", "5s", "--output", "json"],
                                capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            return None
        return [line for line in answer.stdout.splitlines() if '"outcome":"running"' in line]

    def settle(self):
        """Everything is there again; what is under way ends. Then nothing may run, neither what
        clients left behind."""
        for member in self.fleet:
            if member.resume_at is not None:
                member.resume_at = 0
        self.frozen = [(client, 0) for client, _ in self.frozen]
        patience = time.monotonic() + PATIENCE
        while time.monotonic() < patience:
            self.look_after()
            self.jobs = [job for job in self.jobs if job.is_alive()]
            if not self.jobs and self.running_jobs() == []:
                break
            time.sleep(0.2)
        if not self.jobs:
            chaos_jobs.collect_again(self.work)
        self.look_after()
        return [json.loads(line)["id"] for line in self.running_jobs() or []]

    def end(self):
        self.clients.close()
        for member in self.fleet:
            if member.process:
                member.process.kill()
                member.process.wait()


def main():
    options = parse(sys.argv[1:])
    here = Path(__file__).resolve().parent
    programs = os.environ.get("FANFOLD_BIN") or here.parent / "build/release/bin"
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    os.environ["FANFOLD_BROKER"] = f"tcp://127.0.0.1:{options.port}"
    if not shutil.which("fanfold-broker"):
        sys.exit("chaos.py: no programs found; build them, or name their folder with FANFOLD_BIN")
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: sys.exit(130))
    work = Path(tempfile.mkdtemp(prefix="fanfold-chaos."))
    for name in ("jobs", "marks"):
        (work / name).mkdir()
    (work / "act").write_text(chaos_jobs.ACT)
    os.chdir(work)
    print(f"chaos: seed {options.seed}, {options.seconds} s, {options.workers} workers, "
          f"{options.jobs} jobs at a time", flush=True)
    chaos, code = Chaos(options, work), 1
    try:
        chaos.make_faults()
        running = chaos.settle()
        code = chaos_check.report(work, chaos.faults, running, chaos.troubles)
    finally:
        chaos.end()
        if code == 0 and not options.keep:
            shutil.rmtree(work)
        else:
            print(f"the work folder is kept: {work}")
    return code


if __name__ == "__main__":
    sys.exit(main())
