"""The jobs of scripts/chaos.py: what each asks for, and its clients: to submit, map and collect.

A job has a folder with `plan` (what must come of it), `input` (one word for each fragment) and what
its clients wrote. chaos_check.py compares them."""
import json
import random
import re
import subprocess
import threading
import time

PATIENCE = "300s"  # of a client for its broker

# What a fragment of a command job does, by the first letter of its word.
ACT = """case $2 in
    v*) sleep 0.02 ;;                                # a value soon
    w*) sleep 0.4 ;;                                 # a value, later
    f*) echo "as asked" >&2 && exit 7 ;;             # fails each time
    o*) mkdir "$1-$2" 2>/dev/null && exit 1 ;;       # fails the first time
    t* | s*) exec sleep 1000 ;;                      # ended by its timeout, or with its job
esac
echo "$2"
"""


class Clients:
    """The clients that run, for the faults to choose from."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = []
        self.closed = False

    def begin(self, command, **streams):
        with self.lock:
            if self.closed:
                raise SystemExit
            client = subprocess.Popen(command, **streams)
            self.running.append(client)
        return client

    def end(self, client):
        with self.lock:
            self.running.remove(client)

    def choose(self, rng):
        with self.lock:
            living = [client for client in self.running if client.poll() is None]
            return rng.choice(living) if living else None

    def close(self):
        with self.lock:
            self.closed = True
            for client in self.running:
                client.kill()


def ask(output, *arguments):
    with output.open("wb") as out, output.with_name(output.name + ".err").open("wb") as err:
        return subprocess.run(["fanfold", *arguments], stdin=subprocess.DEVNULL, stdout=out,
                              stderr=err, check=False).returncode


class Plan:
    """What a job is, chosen at random. `whole`: every fragment must have its own result."""

    def __init__(self, rng, folder):
        self.rng = rng
        self.whole, self.way, self.values, self.deadline = True, "submit", None, 0
        self.outcomes, self.options = ["complete"], []
        self.what = ["--", "sh", folder.parent.parent / "act",
                     folder.parent.parent / "marks" / folder.name, "{}"]
        kinds = [self.echo, self.echo, self.echo, self.wide, self.fail, self.naps, self.errors,
                 self.retried, self.available, self.expired, self.quorum, self.tolerant]
        self.words = rng.choice(kinds)()
        if not self.deadline and rng.randrange(3) == 0:
            self.way = "map"
        if rng.randrange(2):
            self.options.append("-k")
        (folder / "input").write_text("".join(word + "\n" for word in self.words))
        wanted = ("kind", "way", "whole", "outcomes", "values", "deadline")
        (folder / "plan").write_text(json.dumps({name: getattr(self, name) for name in wanted}))

    def mixed(self, **counts):
        """Words of these kinds, in disorder."""
        words = [f"{kind}{number:05}" for kind, count in counts.items()
                 for number in range(1, count + 1)]
        self.rng.shuffle(words)
        return words

    def echo(self):
        self.kind, self.what = "echo", ["--function", "fanfold.echo"]
        return [str(number) for number in range(1, 20000 + self.rng.randrange(65536) + 1)]

    def wide(self):
        self.kind, self.what = "wide", ["--function", "fanfold.echo"]
        width = 500 + self.rng.randrange(3000)
        return [f"{number:0{width}}" for number in range(1, 1001 + self.rng.randrange(3277))]

    def fail(self):
        self.kind, self.what, self.outcomes = "fail", ["--function", "fanfold.fail"], ["partial"]
        return [str(number) for number in range(1, 2 + self.rng.randrange(3277))]

    def naps(self):
        self.kind = "naps"
        return self.mixed(v=50 + self.rng.randrange(150), w=10)

    def errors(self):
        self.kind, self.outcomes = "errors", ["partial"]
        self.options = ["--timeout", "2s", "--retries", "1"]
        return self.mixed(v=40, f=1 + self.rng.randrange(9), t=2, o=8)

    def retried(self):
        self.kind, self.options = "retried", ["--retries", "2"]
        return self.mixed(v=30, o=10 + self.rng.randrange(40))

    def until_deadline(self, *gather):
        self.deadline, self.whole = 2 + self.rng.randrange(6), False
        self.options = ["--deadline", f"{self.deadline}s", *gather]

    def available(self):
        self.kind = "available"
        self.until_deadline("--gather", "available")
        return self.mixed(v=60, w=20, s=self.rng.randrange(3))

    def expired(self):
        self.kind, self.outcomes = "expired", ["expired"]
        self.until_deadline()
        return self.mixed(v=30, s=1)

    def quorum(self):
        some = 10 + self.rng.randrange(20)
        self.kind, self.whole, self.values = "quorum", False, [some, some]
        self.options = ["--gather", f"quorum={some}"]
        return self.mixed(v=40, w=10, s=1)

    def tolerant(self):
        some = 1 + self.rng.randrange(10)
        self.kind, self.options = "tolerant", ["--max-failures", str(some)]
        if self.rng.randrange(2):
            self.kind, self.whole, self.outcomes = "failed", False, ["failed"]
            self.options = ["--max-failures", str(some - 1)]
        return self.mixed(v=40, f=some)


class Job(threading.Thread):
    """One job, driven from its plan to what was collected of it."""

    def __init__(self, number, seed, work, clients, trouble):
        super().__init__(daemon=True)
        self.number, self.clients, self.trouble = number, clients, trouble
        self.rng = random.Random(seed + number * 7919)
        self.key = f"chaos-{seed}-{number}"
        self.folder = work / "jobs" / str(number)
        self.folder.mkdir()

    def run(self):
        try:
            self.plan = Plan(self.rng, self.folder)
            self.asked = [*self.plan.options, "--job-key", self.key, *self.plan.what]
            if self.plan.way == "map":
                self.map()
            elif job := self.submit():
                self.collect(job)
                # The rest is kept, and collected once more at the end.
                if self.rng.randrange(2):
                    self.forget(job)
            (self.folder / "finished").touch()
        except Exception as error:  # whatever it is, the run must say so
            self.trouble(f"the driver of job {self.number} broke off: {error!r}")

    def feed(self, stdin):
        """Input that comes slowly enough for a client to be met in its middle."""
        words = self.plan.words
        part = len(words) // 6 + 1
        try:
            with stdin:
                for at in range(0, len(words), part):
                    stdin.write("".join(word + "\n" for word in words[at:at + part]).encode())
                    stdin.flush()
                    time.sleep(self.rng.randrange(4) / 10)
        except BrokenPipeError:
            pass  # it was killed, or wants no more

    def client(self, output, *arguments, fed=True):
        """Runs `fanfold`: its exit code, -9 if it was killed, or None if its job was refused for
        now, before anything of it was accepted."""
        errors = self.folder / f"{output}.err"
        with (self.folder / output).open("wb") as out, errors.open("wb") as err:
            client = self.clients.begin(["fanfold", *map(str, arguments)], stdout=out, stderr=err,
                                        stdin=subprocess.PIPE if fed else subprocess.DEVNULL)
        if fed:
            self.feed(client.stdin)
        code = client.wait()
        self.clients.end(client)
        said = errors.read_text()
        if code == 255 and "no gatherer is connected" in said:
            time.sleep(0.5)  # it has been away for longer than a new job waits for it
            return None
        over = not self.plan.whole and "it takes no further fragments" in said
        if code == 255 and not over:
            self.trouble(f"job {self.number}: `fanfold {arguments[0]}` ended with {code}: "
                         f"{said.strip().rpartition(chr(10))[2]}")
        return code

    def submit(self):
        """The job's id, or None."""
        while True:
            code = self.client("id", "submit", "--quiet", "--connect-timeout", PATIENCE,
                               *self.asked)
            (self.folder / "accepted").write_text(str(time.time()))
            # Who has read an id has the broker's word, whatever became of the client since.
            written = (self.folder / "id").read_text()
            if written.endswith("\n"):
                return written.strip()
            # A policy can be met, or a deadline come, before all is sent.
            ended = re.search(r"job ([0-9a-f-]{36}) has ended as .* it takes no further fragments",
                              (self.folder / "id.err").read_text())
            if ended and not self.plan.whole:
                (self.folder / "id").write_text(ended[1] + "\n")
                return ended[1]
            if code not in (None, -9):
                return None

    def collect(self, job):
        order = ["-k"] if self.rng.randrange(2) else []
        code, tries = -9, 0
        while code == -9:
            tries += 1
            code = self.client(f"collected.{tries}", "results", "--quiet", "--connect-timeout",
                               PATIENCE, "--output", "json", *order, job, fed=False)
        (self.folder / "code").write_text(str(code))
        (self.folder / "ended").write_text(str(time.time()))
        # The gatherer may say that a job is complete before the broker knows.
        for _ in range(60):
            code = self.ask("ending", "status", "--output", "json", job)
            if code == 0 and '"outcome":"running"' not in (self.folder / "ending").read_text():
                return
            time.sleep(0.5)

    def map(self):
        code, tries = None, 0
        while code in (None, -9):
            tries += 1
            code = self.client(f"collected.{tries}", "map", "--connect-timeout", PATIENCE,
                               "--output", "json", *self.asked)
        (self.folder / "code").write_text(str(code))

    def forget(self, job):
        code = self.ask("forgotten", "forget", job)
        if code != 0:
            self.trouble(f"job {self.number}: `fanfold forget` ended with {code}")

    def ask(self, output, verb, *arguments):
        """Runs a `fanfold` that no fault chooses; its exit code."""
        return ask(self.folder / output, verb, "--connect-timeout", PATIENCE, *arguments)


def collect_again(work):
    """What was collected once is there again, until it is forgotten."""
    for folder in (work / "jobs").iterdir():
        if not (folder / "finished").exists() or (folder / "forgotten").exists():
            continue
        if not (folder / "id").exists() or not (folder / "code").exists():
            continue
        job = (folder / "id").read_text().strip()
        code = ask(folder / "again", "results", "--quiet", "--connect-timeout", "60s", "--output",
                   "json", job)
        (folder / "again.code").write_text(str(code))
