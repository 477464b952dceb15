"""A fleet that never has a sound network for long: jobs one after the other, faults at random, and
each job must end with every value, once."""
import random
import signal
import subprocess
import time

from fleet import DAEMONS, HOSTS, WORKERS, Fleet
from jobs import Job, Part, check
from network import Network
from scenarios import TALKING

JOB = Job(Part(2, 6), Part(80, 0.3, payload=16, value=16))
DISTURBED = 40      # seconds of a job in which faults begin
PATIENCE = 180      # seconds after them: then the client hangs
WORKER_KILLS = 2    # in one job: with three a fragment may be called crashed
SOUND = {"delay": 5, "loss": 0, "late": 0, "jitter": 0}


class Chaos:
    def __init__(self, network, folder, programs, seed):
        self.network, self.random = network, random.Random(seed)
        self.fleet = Fleet(network, folder, programs, {})
        self.folder = folder
        self.undoing = []  # (when, what)
        self.down = set()  # hosts whose program is killed or stopped
        self.worker_kills = 0
        network.path("*", "*", **SOUND)
        self.fleet.start(*DAEMONS)

    def later(self, seconds, undo):
        self.undoing.append((time.monotonic() + seconds, undo))

    def undo(self, until):
        due = [each for each in self.undoing if each[0] <= until]
        self.undoing = [each for each in self.undoing if each[0] > until]
        for _, undo in due:
            undo()

    # --- faults: each says what it does, and is over later ---
    def cut(self):
        one, other = self.random.choice(TALKING)
        ways = self.random.choice([[(one, other)], [(other, one)], [(one, other), (other, one)]])
        seconds = self.random.choice([0.5, 3, 8, 15])
        for way in ways:
            self.network.path(*way, cut=1)
        self.later(seconds, lambda: [self.network.path(*way, cut=0) for way in ways])
        return f"{'both' if len(ways) > 1 else 'one'} of {one}, {other} cut for {seconds} s"

    def weather(self):
        bad = {"delay": self.random.choice([5, 50, 150]), "loss": self.random.choice([0, 2, 5]),
               "late": 5, "jitter": 20}
        self.network.path("*", "*", **bad)
        self.later(8, lambda: self.network.path("*", "*", **SOUND))
        return f"delay {bad['delay']} ms, {bad['loss']} % lost"

    def pick(self, hosts):
        up = [host for host in hosts if host not in self.down]
        host = self.random.choice(up) if up else None
        if host:
            self.down.add(host)
        return host

    def stop(self):
        host = self.pick(DAEMONS)
        if not host:
            return "nothing"
        self.fleet.send(host, signal.SIGSTOP)

        def go_on():
            self.fleet.send(host, signal.SIGCONT)
            self.down.discard(host)
        seconds = self.random.choice([1, 4, 9])
        self.later(seconds, go_on)
        return f"{host} stopped for {seconds} s"

    def kill(self):
        may_die = self.worker_kills < WORKER_KILLS
        host = self.pick(DAEMONS if may_die else ("broker", "gatherer"))
        if not host:
            return "nothing"
        self.worker_kills += host in WORKERS
        self.fleet.kill(host)

        def start():
            self.fleet.start_again(host)
            self.down.discard(host)
        self.later(self.random.choice([0.1, 2, 6]), start)
        return f"{host} killed"

    # --- a job ---
    def heal(self):
        """All faults are over, and everybody is there: a client that comes is let in."""
        self.undo(float("inf"))
        until = time.monotonic() + PATIENCE
        while self.listed("workers") < len(WORKERS) or self.listed("gatherers") < 1:
            if time.monotonic() > until:
                raise RuntimeError("the fleet does not come together again")
            time.sleep(0.2)

    def listed(self, what):
        command = [self.fleet.programs / "fanfold", what, "--output", "json", "--broker",
                   self.fleet.broker]
        said = subprocess.run(self.network.inside("client", *command), capture_output=True,
                              text=True)
        return len(said.stdout.splitlines())

    def play(self, number):
        """What went wrong with it, and how long it took."""
        self.heal()
        self.worker_kills, faults = 0, []
        self.fleet.record.write_text("")
        self.fleet.start_client("client", "map", "--output", "json", "--function", "work",
                                "--connect-timeout", "1m", "--job-key", f"chaos {number}", "-a",
                                self.folder / "input")
        began = time.monotonic()
        next_fault = began + 2  # it has met the broker
        while self.fleet.processes["client"].poll() is None:
            now = time.monotonic()
            if now > began + DISTURBED + PATIENCE:
                break
            self.undo(now)
            if now >= next_fault and now < began + DISTURBED:
                fault = self.random.choices([self.cut, self.weather, self.stop, self.kill],
                                            [4, 2, 2, 2])[0]
                faults.append(f"{now - began:.1f} {fault()}")
                next_fault = now + self.random.uniform(1, 5)
            time.sleep(0.05)
        code = self.fleet.processes["client"].poll()
        found = check(JOB, (self.folder / "client.out").read_text(), self.fleet.record.read_text())
        wrong = {"hung": code is None, "exit code": code not in (0, None), "lost": found.lost,
                 "doubled": found.doubled, "crashed": found.crashed}
        if code is None:
            self.fleet.kill("client")
        return [what for what, is_so in wrong.items() if is_so], time.monotonic() - began, faults


def play(folder, programs, seconds, seed):
    """Plays for so long; returns whether all was well."""
    bad = jobs = disturbances = 0
    JOB.write(folder / "input")
    with Network(HOSTS, seed) as network:
        chaos = Chaos(network, folder, programs, seed)
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                wrong, took, faults = chaos.play(jobs)
                jobs += 1
                disturbances += len(faults)
                bad += bool(wrong)
                print(f"job {jobs}: {took:.1f} s, {len(faults)} faults, "
                      f"{'no: ' + ', '.join(wrong) if wrong else 'yes'}", flush=True)
                if wrong:
                    print(*faults, sep="\n", flush=True)
        finally:
            chaos.fleet.end()
    print(f"{jobs} jobs, {disturbances} faults, {bad} not well")
    return bad == 0
