"""Checks what scripts/chaos.py submitted against what was collected.

lost: accepted fragments with neither their value nor a final error that is their own; where a
policy or a deadline ends a job early, what it left out is not lost. doubled: fragments that one
collector was given twice. hung: jobs that did not end, or ended long after their deadline. wrong:
anything else that should not be: another fragment's value, an outcome that cannot be, a process
that ended by itself."""
import json

# Seconds past a deadline: the gatherer's and the broker's grace, and the longest time that faults
# keep them away.
GRACE = 30
# By the first letter of a fragment's word; the others have a value.
OWN_ERRORS = {"f": "failed", "t": "timeout"}


def lines_of(path):
    """The whole lines of a file, without one that was being written when its writer was killed."""
    if not path.exists():
        return []
    text = path.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def ended_without_gatherer(folder):
    status = lines_of(folder / "ending")
    return bool(status) and "does not answer" in json.loads(status[-1])["reason"]


class Check:
    def __init__(self):
        self.lost, self.doubled, self.hung, self.wrong = [], [], [], []
        self.counts = dict.fromkeys(
            ("submitted", "mapped", "fragments", "values", "errors", "left out"), 0)

    def job(self, folder):
        plan = json.loads((folder / "plan").read_text())
        name = f"job {folder.name} ({plan['kind']}, {plan['way']})"
        words = lines_of(folder / "input")
        if plan["kind"] == "available" and ended_without_gatherer(folder):
            # The deadline came while its gatherer was away: the broker ended it.
            plan["outcomes"] = ["expired"]
        self.counts["submitted" if plan["way"] == "submit" else "mapped"] += 1
        if not (folder / "finished").exists():
            self.hung.append(f"{name} has not ended")
        got = self.collections(name, folder, plan, words)
        if not (folder / "code").exists():
            return
        self.counts["fragments"] += len(words)
        values = sum(1 for kind in got.values() if kind == "value")
        self.counts["values"] += values
        self.counts["errors"] += len(got) - values
        self.counts["left out"] += len(words) - len(got)
        if plan["way"] == "submit":
            self.ending(name, plan, words, folder)

    def collections(self, name, folder, plan, words):
        """Every collection of a job in turn; what the last one got."""
        got = {}
        files = sorted(folder.glob("collected.*[0-9]"), key=lambda file: file.stat().st_mtime)
        last = files[-1] if files else None
        if (folder / "again").exists():
            files.append(folder / "again")
        for file in files:
            title = f"{name}, {file.name}"
            got = self.collection(title, plan, words, file)
            again = file.name == "again"
            if not (folder / "code").exists() or not again and file != last:
                continue  # its collector was killed
            self.policy(title, plan, words, got)
            self.exit_code(title, folder / ("again.code" if again else "code"), plan, len(words),
                           got)
        return got

    def collection(self, name, plan, words, file):
        got = {}
        for line in lines_of(file):
            result = json.loads(line)
            index, kind = result["index"], result["outcome"]
            if index in got:
                self.doubled.append(f"{name}: fragment {index}")
            got[index] = kind
            if index >= len(words):
                self.wrong.append(f"{name}: fragment {index} of {len(words)}")
                continue
            self.fragment(f"{name}: fragment {index}", plan, words[index], result)
        return got

    def fragment(self, name, plan, word, result):
        kind = result["outcome"]
        wanted = "failed" if plan["kind"] == "fail" else OWN_ERRORS.get(word[0], "value")
        if kind != wanted:
            if plan["whole"] or kind != "cancelled":
                self.lost.append(f"{name} ({word[:20]}) is {kind} instead of {wanted}: "
                                 f"{result.get('error', '')}")
            return
        value = result.get("value")
        if kind != "value":
            return
        if (value["stdout"] if isinstance(value, dict) else value + "\n") != word + "\n":
            self.wrong.append(f"{name} has the value {str(value)[:60]}")

    def policy(self, name, plan, words, got):
        missing = [index for index in range(len(words)) if index not in got]
        if plan["whole"] and missing:
            self.lost.append(f"{name}: {len(missing)} of {len(words)} fragments, from "
                             f"{missing[0]} on")
        values = sum(1 for kind in got.values() if kind == "value")
        if plan["values"] and not plan["values"][0] <= values <= plan["values"][1]:
            self.wrong.append(f"{name}: {values} values instead of {plan['values']}")

    def exit_code(self, name, file, plan, total, got):
        code = int(file.read_text())
        without = total - sum(1 for kind in got.values() if kind == "value")
        wanted = [0] if "complete" in plan["outcomes"] else [min(without, 101)]
        if not plan["whole"] and wanted != [0]:
            wanted = range(1, 256)  # it may have ended before all of it was sent
        if code not in wanted:
            self.wrong.append(f"{name}: its collector ended with {code}")

    def ending(self, name, plan, words, folder):
        status = lines_of(folder / "ending")
        if not status:
            self.wrong.append(f"{name}: no status of it")
            return
        status = json.loads(status[-1])
        outcome = status["outcome"]
        if outcome not in plan["outcomes"]:
            self.wrong.append(f"{name} ended as {outcome} ({status['reason']}) instead of "
                              f"{plan['outcomes']}")
        if plan["whole"] and status["accepted"] != len(words):
            self.lost.append(f"{name}: {status['accepted']} of {len(words)} are accepted, says "
                             "its status")
        if outcome == "running":
            self.hung.append(f"{name} has ended for its collector, and not for the broker")
        elif plan["deadline"]:
            took = (float((folder / "ended").read_text()) -
                    float((folder / "accepted").read_text()))
            if max(took, status["took"]) > plan["deadline"] + GRACE:
                self.hung.append(f"{name} took {took:.1f} s, and {status['took']:.1f} s by its "
                                 f"status; its deadline is {plan['deadline']} s")


def report(work, faults, running, troubles):
    """Prints what is wrong and the numbers of the run; 0 if all is well. `faults`: how many there
    were, by "kill broker" and the like; `running`: ids of jobs that still run."""
    check = Check()
    for folder in sorted((work / "jobs").iterdir(), key=lambda folder: int(folder.name)):
        if (folder / "plan").exists():
            check.job(folder)
    check.hung += [f"still running: {job}" for job in running]
    check.wrong += troubles
    for text in ("lost", "doubled", "hung", "wrong"):
        for line in getattr(check, text)[:20]:
            print(f"{text}: {line}")
    for kind in ("kill", "pause", "restart"):
        victims = {name.partition(" ")[2]: count for name, count in sorted(faults.items())
                   if name.startswith(kind)}
        each = ", ".join(f"{victim} {count}" for victim, count in victims.items())
        print(f"{kind}s: {sum(victims.values())}: {each}")
    counts = check.counts
    print(f"jobs: {counts['submitted']} submitted, {counts['mapped']} mapped")
    print(f"fragments: {counts['fragments']}: {counts['values']} values, {counts['errors']} "
          f"errors of their own, {counts['left out']} left out by policy or deadline")
    print(f"lost {len(check.lost)}, doubled {len(check.doubled)}, hung {len(check.hung)}, "
          f"wrong {len(check.wrong)}")
    killed = any(name.startswith("kill") for name in faults)
    if not killed:
        print("nothing was killed: this shows nothing")
    return 0 if killed and not (check.lost or check.doubled or check.hung or check.wrong) else 1
