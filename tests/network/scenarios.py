"""The table of scenarios: what job runs over which network, and what happens to it meanwhile."""
import shutil
import signal
import subprocess
from dataclasses import dataclass, field, replace
from typing import Callable

from fleet import DAEMONS, WORKERS
from jobs import Job, Part

KEY = ("--job-key", "key")  # its job outlives its client
WORKER_TIMEOUT = 5  # seconds, the broker's default
TALKING = [("broker", "gatherer"), ("broker", "worker-1"), ("broker", "client"),
           ("worker-1", "gatherer"), ("client", "gatherer")]


@dataclass(frozen=True)
class Scenario:
    name: str
    job: Job
    fault: Callable = lambda stage: None
    links: Callable = lambda network: None      # set before the daemons start
    prepare: Callable = lambda stage: None      # before the daemons start, too
    options: dict = field(default_factory=dict)  # of daemons, by name
    words: tuple = ()                           # for the client
    client: str = "client"                      # its host
    disturbed: float = 0                        # seconds that the fault takes
    starts_again: bool = False                  # what may have died may start once more
    measured: str = ""                          # "payload" or "value": against bare TCP
    told: bool = False                          # what is lost cannot be saved, but must be said
    alone: bool = False                         # it is about time, and shares no processor
    short: bool = False                         # it is part of --short


def sized(count, payload=0, value=0, seconds=0):
    return Job(Part(count, seconds, payload, value))


def with_long(seconds):
    """Two long fragments, and short ones beside and behind them."""
    return Job(Part(2, seconds), Part(20, 0.5))


# --- slow networks ---
def everywhere(**settings):
    return lambda network: network.path("*", "*", **settings)


def slow_workers(rate, **settings):
    def links(network):
        network.path("*", "*", **settings)
        for worker in WORKERS:
            network.host(worker, rate=rate)
    return links


LOSSY = {"delay": 25, "loss": 2, "late": 5, "jitter": 10}
SLOW = [
    Scenario("rtt 50 ms", sized(40, seconds=1), links=everywhere(delay=25)),
    Scenario("rtt 300 ms", sized(40, seconds=1), links=everywhere(delay=150), short=True),
    Scenario("rtt 50 ms, 2 % loss, reordering", sized(40, seconds=1), links=everywhere(**LOSSY)),
    Scenario("the same, 16 x 128 KiB", sized(16, payload=128), links=everywhere(**LOSSY),
             measured="payload"),
    Scenario("rtt 300 ms, 2 % loss", sized(40, seconds=1), links=everywhere(delay=150, loss=2)),
    Scenario("rtt 300 ms, 2 % loss, 16 x 128 KiB", sized(16, payload=128),
             links=everywhere(delay=150, loss=2), measured="payload"),
    Scenario("1 Mbit, 8 x 256 KiB", sized(8, payload=256), links=slow_workers(1, delay=25),
             measured="payload"),
    Scenario("10 Mbit, 4 x 8 MiB", sized(4, payload=8 << 10), links=slow_workers(10, delay=25),
             measured="payload"),
    Scenario("10 Mbit, rtt 300 ms, 24 x 2 MiB", sized(24, payload=2 << 10),
             links=slow_workers(10, delay=150), measured="payload"),
    Scenario("10 Mbit, values of 4 x 8 MiB", sized(4, value=8 << 10),
             links=slow_workers(10, delay=25), measured="value"),
    Scenario("100 Mbit, 2 x 80 MiB", sized(2, payload=80 << 10),
             links=slow_workers(100, delay=5), measured="payload", client="broker"),
    Scenario("100 Mbit, 24 x 15 MiB", sized(24, payload=15 << 10),
             links=slow_workers(100, delay=5), measured="payload", client="broker"),
]


# --- cuts ---
def cut(ways, seconds, times=1, pause=0.0):
    def fault(stage):
        stage.await_starts()
        for _ in range(times):
            stage.pause(1)
            for sender, receiver in ways:
                stage.network.path(sender, receiver, cut=1)
            stage.pause(seconds)
            for sender, receiver in ways:
                stage.network.path(sender, receiver, cut=0)
            stage.pause(pause)
    return fault


def cuts():
    for seconds in (3, 10, 60):
        for one, other in TALKING:
            with_worker = {one, other} == {"broker", "worker-1"}
            for what, ways in ((f"{one} to {other}", [(one, other)]),
                               (f"{other} to {one}", [(other, one)]),
                               (f"{one}, {other} apart", [(one, other), (other, one)])):
                yield Scenario(f"{seconds} s {what}", with_long(seconds + 7), cut(ways, seconds),
                               disturbed=seconds, words=KEY,
                               starts_again=with_worker and seconds > WORKER_TIMEOUT)


def isolated(host):
    return [(host, "*"), ("*", host)]


BLIPS = [  # a second start elsewhere is no harm past the worker timeout, to be called crashed is
    Scenario("4 blips of 7 s in 95 s", Job(Part(1, 95), Part(8, 0.5)),
             cut(isolated("broker"), 7, times=4, pause=10), disturbed=28, starts_again=True),
    Scenario("4 blips of 1.6 s in 20 s, timeout 1 s", Job(Part(1, 20), Part(8, 0.5)),
             cut(isolated("broker"), 1.6, times=4, pause=2.5), disturbed=7, starts_again=True,
             options={"broker": ["--worker-timeout", "1s"]}),
    Scenario("a worker's host is gone", with_long(15), cut(isolated("worker-1"), 3600),
             disturbed=25, starts_again=True),
]


# --- walls: these hosts never reach one another ---
def wall(one, other):
    return lambda network: network.both_ways(one, other, cut=1)


def gatherer_everywhere(stage):
    stage.fleet.gatherer = "tcp://0.0.0.0:7421"


GIVE_UP = ("--give-up", "10s")

WALLS = [
    Scenario("wall: worker-1, gatherer", sized(20, seconds=0.5), links=wall("worker-1", "gatherer"),
             disturbed=10),
    Scenario("wall: both workers, gatherer", sized(20, seconds=0.5), disturbed=10,
             links=lambda network: [wall(each, "gatherer")(network) for each in WORKERS]),
    Scenario("wall: client, gatherer", sized(20, seconds=0.5), links=wall("client", "gatherer"),
             disturbed=10, words=GIVE_UP, told=True),
    Scenario("gatherer at 0.0.0.0", sized(20, seconds=0.5), prepare=gatherer_everywhere,
             disturbed=10, words=GIVE_UP, told=True),
]


# --- processes ---
def killed(name, down=1.0):
    def fault(stage):
        stage.await_starts()
        stage.fleet.kill(name)
        stage.pause(down)
        stage.fleet.start(name)
    return fault


def stopped(name, seconds):
    def fault(stage):
        stage.await_starts()
        stage.fleet.send(name, signal.SIGSTOP)
        stage.pause(seconds)
        stage.fleet.send(name, signal.SIGCONT)
    return fault


def client_killed(stage):
    stage.await_starts()
    stage.fleet.kill("client")
    stage.start_client()


PROCESSES = [
    *(Scenario(f"kill {name}", with_long(8), killed(name), disturbed=3, words=KEY,
               starts_again=name in WORKERS)
      for name in DAEMONS[:3]),
    Scenario("kill client", with_long(8), client_killed, words=KEY),
    *(Scenario(f"stop {name} for {seconds} s", with_long(seconds + 8), stopped(name, seconds),
               disturbed=seconds, words=KEY,
               starts_again=name in WORKERS and seconds > WORKER_TIMEOUT)
      for seconds in (3, 15) for name in DAEMONS[:3] + ("client",)),
    Scenario("kill broker for 20 s", with_long(8), killed("broker", 20), disturbed=22, words=KEY),
    Scenario("kill gatherer for 20 s", with_long(8), killed("gatherer", 20), disturbed=22,
             words=KEY, starts_again=True),
]


# --- disks ---
def small_disk(name, size):
    def prepare(stage):
        folder = stage.folder / name
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
    return prepare


def room_later(name):
    def fault(stage):
        stage.pause(10)
        subprocess.run(["mount", "-o", "remount,size=256m", stage.folder / name], check=True)
    return fault


def from_older_copy(name):
    def fault(stage):
        stage.await_ends(8)
        stage.fleet.kill(name)
        shutil.copytree(stage.folder / name, stage.folder / "older")
        stage.fleet.start(name)
        stage.await_ends(20)
        stage.fleet.kill(name)
        shutil.rmtree(stage.folder / name)
        (stage.folder / "older").rename(stage.folder / name)
        stage.fleet.start(name)
    return fault


def from_nothing(name):
    def fault(stage):
        stage.await_ends(8)
        stage.fleet.kill(name)
        shutil.rmtree(stage.folder / name)
        stage.fleet.start(name)
    return fault


def worker_with_small_disk(stage):
    small_disk("temporary", "1m,nr_inodes=20")(stage)
    stage.fleet.environment["worker-1"] = {"TMPDIR": str(stage.folder / "temporary")}


def fill_it(stage):
    stage.await_ends(4)
    for number in range(100):  # also what running fragments free
        try:
            (stage.folder / "temporary" / str(number)).touch()
        except OSError:
            stage.pause(0.05)


def command_missing(stage):
    stage.fleet.options["worker-1"] = ["--function", "other=/no/such/command"]
    stage.fleet.options["worker-2"] = ["--function", f"other={stage.fleet.fragment('worker-2')}"]


def clone(stage):
    stage.await_ends(4)
    stage.fleet.start_clone("gatherer", "client")
    stage.pause(5)


DISKS = [
    Scenario("broker's disk full for 10 s", sized(24, payload=1024, seconds=0.3),
             room_later("broker"), prepare=small_disk("broker", "10m"), disturbed=20),
    Scenario("gatherer's disk full for 10 s", sized(24, value=1024, seconds=0.3),
             room_later("gatherer"), prepare=small_disk("gatherer", "10m"), disturbed=20),
    *(Scenario(f"{name} from an older copy", sized(40, seconds=0.5), from_older_copy(name),
               disturbed=15, words=KEY, starts_again=True) for name in ("broker", "gatherer")),
    *(Scenario(f"{name} from nothing", sized(40, seconds=0.5), from_nothing(name),
               disturbed=15, words=KEY, starts_again=True, told=True)
      for name in ("broker", "gatherer")),
    Scenario("a worker's disk is full", sized(100, seconds=0.1), fill_it,
             prepare=worker_with_small_disk, disturbed=10),
    Scenario("a command is missing on one worker", sized(60, seconds=0.2),
             prepare=command_missing, disturbed=10, words=("--function", "other")),
    Scenario("a second gatherer of its name", sized(40, seconds=0.5), clone, disturbed=5),
]

# --- what no busy machine disturbs: its workers and clients are patient ---
PATIENT = {"options": {"broker": ["--worker-timeout", "20s"]}, "short": True,
           "words": (*KEY, "--connect-timeout", "60s")}
SHORT = [
    *(Scenario(f"patient: 3 s {one}, {other} apart", with_long(8),
               cut([(one, other), (other, one)], 3), disturbed=3, **PATIENT)
      for one, other in TALKING),
    *(Scenario(f"patient: kill {name}", with_long(8), killed(name), disturbed=3, **PATIENT)
      for name in ("broker", "gatherer")),
]

SCENARIOS = [*(replace(each, alone=True) for each in SLOW), *cuts(), *BLIPS, *WALLS, *PROCESSES,
             *DISKS, *SHORT]
