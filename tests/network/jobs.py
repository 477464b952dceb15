"""Jobs for the test network, and what became of them: nothing is believed but what was recorded."""
import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from fleet import SLOTS, WORKERS


@dataclass(frozen=True)
class Part:
    """Fragments that are alike."""
    count: int
    seconds: float
    payload: int = 0  # KiB
    value: int = 0    # KiB


class Job:
    def __init__(self, *parts):
        self.fragments = [part for part in parts for _ in range(part.count)]

    def filler(self, index):
        return f"{index:07} ".encode() * (self.fragments[index].payload * 128)

    def write(self, path):
        with open(path, "wb") as file:
            for index, part in enumerate(self.fragments):
                file.write(b"%g %d " % (part.seconds, part.value) + self.filler(index) + b"\n")

    def seconds(self):
        """What its fragments take on all slots, by themselves."""
        return least_seconds([part.seconds for part in self.fragments])

    def total(self, what):
        """KiB of all payloads, or of all values."""
        return sum(getattr(part, what) for part in self.fragments)

    def largest(self, what):
        return max(getattr(part, what) for part in self.fragments)

    def is_value(self, index, text):
        digest = hashlib.md5(self.filler(index)).hexdigest()
        return text == f"{digest}  -\n" + "v" * (self.fragments[index].value * 1024)


def least_seconds(fragments):
    return max(max(fragments), sum(fragments) / (SLOTS * len(WORKERS)))


@dataclass
class Findings:
    lost: int = 0           # fragments without their right value
    doubled: int = 0        # values that came twice
    crashed: int = 0        # fragments called so; none of them ends its worker
    second_starts: int = 0  # starts of fragments that had started before
    worked: tuple = ()      # seconds that each fragment took that ended, at its quickest


def worked(record):
    began, took = {}, {}
    for line in record.splitlines():
        what, index, worker, attempt, at = line.split()
        if what == "start":
            began[index, worker, attempt] = float(at)
        elif (index, worker, attempt) in began:
            seconds = float(at) - began[index, worker, attempt]
            took[index] = min(seconds, took.get(index, seconds))
    return tuple(took.values())


def check(job, results, record):
    """results: what `fanfold map --output json` printed. record: the lines of fragment.sh."""
    good, crashed = Counter(), 0
    for line in results.splitlines():
        try:
            result = json.loads(line)
        except ValueError:
            continue  # cut off where the client was killed
        if result["outcome"] == "value" and job.is_value(result["index"], result["value"]):
            good[result["index"]] += 1
        crashed += result["outcome"] == "crashed"
    starts = Counter(line.split()[1] for line in record.splitlines() if line.startswith("start"))
    return Findings(lost=len(job.fragments) - len(good), doubled=sum(good.values()) - len(good),
                    crashed=crashed, second_starts=sum(starts.values()) - len(starts),
                    worked=worked(record))
