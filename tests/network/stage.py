"""One scenario: its network, its fleet and its client, and a row of the table in the end."""
import subprocess
import time
from dataclasses import dataclass

from fleet import DAEMONS, HOSTS, SLOTS, WORKERS, Fleet
from jobs import Findings, check, least_seconds
from network import Network
from transfer import transfer

LINKS = {"payload": [[("client", "broker")], [("broker", worker) for worker in WORKERS]],
         "value": [[(worker, "gatherer") for worker in WORKERS], [("gatherer", "client")]]}
MOST_RATIO, MOST_BYTES_RATIO = 1.3, 1.1
RECOVERY = 15  # seconds after a disturbance
PATIENCE = 45  # seconds past twice the ideal and the disturbance: then the client hangs


@dataclass
class Row:
    name: str
    seconds: float = 0
    ideal: float = 0
    bytes_ratio: float | None = None
    hung: int = 0
    findings: Findings | None = None
    wrong: tuple = ()


class Stage:
    def __init__(self, scenario, network, folder, programs, timed):
        self.scenario, self.network, self.folder = scenario, network, folder
        self.timed = timed  # it counts how long it takes
        self.fleet = Fleet(network, folder, programs, scenario.options)
        self.bare_seconds = 0
        self.bare_bytes = 0
        self.until = None  # when the client counts as hanging

    # --- what faults wait for; each wait ends with the client, too ---
    def wait(self, seconds, condition=lambda: False):
        until = min(time.monotonic() + seconds, self.until)
        while time.monotonic() < until and not condition() and \
                self.fleet.processes["client"].poll() is None:
            time.sleep(0.05)

    def pause(self, seconds):
        self.wait(seconds)

    def await_starts(self):
        """Until every slot runs a fragment, or as many as there are."""
        count = min(SLOTS * len(WORKERS), len(self.scenario.job.fragments))
        self.wait(PATIENCE, lambda: self.fleet.recorded("start") >= count)

    def await_ends(self, count):
        self.wait(PATIENCE, lambda: self.fleet.recorded("end") >= count)

    # --- its parts in their order ---
    def measure(self):
        """What bare TCP takes for the job's two hops, one after the other or at once."""
        job, what = self.scenario.job, self.scenario.measured
        if not what:
            return
        took = []
        for ways in LINKS[what]:
            if self.scenario.client == "client" or ("client", "broker") not in ways:
                took.append(transfer(self.network, [(*way, job.total(what) // len(ways))
                                                    for way in ways]))
        self.bare_seconds = max(took)
        if len(took) > 1:
            self.bare_seconds += min(took) * job.largest(what) / job.total(what)
        self.bare_bytes = self.sent_bytes()

    def sent_bytes(self):
        """On the hop to or from the workers."""
        ways = [way for hop in LINKS[self.scenario.measured] for way in hop
                if set(way) & set(WORKERS)]
        return sum(counts["bytes"] for way, counts in self.network.counts().items() if way in ways)

    def start_client(self):
        words = list(self.scenario.words)
        if "--function" not in words:
            words += ["--function", "work"]
        self.fleet.start_client(self.scenario.client, "map", "--output", "json", *words, "-a",
                                self.folder / "input")

    def run(self):
        self.scenario.links(self.network)
        self.measure()
        self.scenario.prepare(self)
        self.scenario.job.write(self.folder / "input")
        self.fleet.start(*DAEMONS)
        began = time.monotonic()
        self.until = began + self.scenario.disturbed + PATIENCE + \
            2 * (self.scenario.job.seconds() + self.bare_seconds)
        self.start_client()
        self.scenario.fault(self)
        self.wait(self.until - time.monotonic())
        seconds = time.monotonic() - began
        code = self.fleet.processes["client"].poll()
        return self.judge(seconds, code)

    def judge(self, seconds, code):
        scenario, row = self.scenario, Row(self.scenario.name, seconds)
        row.findings = check(scenario.job, (self.folder / "client.out").read_text(),
                             self.fleet.record.read_text())
        worked = row.findings.worked
        if len(worked) < len(scenario.job.fragments):
            worked = [part.seconds for part in scenario.job.fragments]
        row.ideal = least_seconds(worked)
        if scenario.measured:
            row.ideal = max(row.ideal, self.bare_seconds + max(worked))
        most = MOST_RATIO * row.ideal
        if scenario.disturbed:
            most += scenario.disturbed + RECOVERY
        row.hung = int(code is None)
        if scenario.measured:
            row.bytes_ratio = (self.sent_bytes() - self.bare_bytes) / self.bare_bytes
        said = scenario.told and code not in (0, None) and \
            (self.folder / "client.log").read_text() != ""
        row.wrong = tuple(what for what, is_wrong in {
            "lost": row.findings.lost and not said, "doubled": row.findings.doubled,
            "hung": row.hung, "crashed": row.findings.crashed,
            "second starts": row.findings.second_starts and not scenario.starts_again,
            "exit code": code != 0 and not row.hung and not row.findings.lost and not said,
            "time": self.timed and seconds > most and not row.hung,
            "bytes": row.bytes_ratio and row.bytes_ratio > MOST_BYTES_RATIO,
        }.items() if is_wrong)
        return row


def play(scenario, folder, programs, seed, timed):
    """The row of a scenario. Whatever it started has ended afterwards."""
    with Network(HOSTS, seed) as network:
        stage = Stage(scenario, network, folder, programs, timed)
        try:
            return stage.run()
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            return Row(scenario.name, wrong=() if scenario.told else (str(error),))
        finally:
            stage.fleet.end()
