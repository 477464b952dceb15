#!/usr/bin/env python3
"""Checks what scripts/chaos.sh submitted against what was collected. usage: chaos_check.py WORK_FOLDER

lost: accepted fragments with neither their value nor a final error that is their own; where a policy or a deadline ends a job early,
what it left out is not lost. doubled: fragments that one collector was given twice. hung: jobs that did not end, or ended long after their
deadline. wrong: anything else that should not be: another fragment's value, an outcome that cannot be, a process that ended by itself.
"""

import json
import pathlib
import sys

GRACE = 30  # seconds past a deadline: the gatherer's and the broker's grace, and the longest time that faults keep them away
OWN_ERRORS = {"f": "failed", "t": "timeout"}  # by the first letter of a fragment's word; others have a value


def lines_of(path):
    """The whole lines of a file: one that was being written when its writer was killed is not there yet."""
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
        self.counts = dict.fromkeys(("submitted", "mapped", "abandoned", "fragments", "values", "errors", "left out"), 0)

    def job(self, folder):
        plan = json.loads((folder / "plan").read_text())
        name = f"job {folder.name} ({plan['kind']}, {plan['way']})"
        words = lines_of(folder / "input")
        if plan["kind"] == "available" and ended_without_gatherer(folder):
            plan["outcomes"] = ["expired"]  # the deadline came while its gatherer was away: the broker ended it
        self.counts["submitted" if plan["way"] == "submit" else "mapped"] += 1
        abandoned = len(lines_of(folder / "abandoned"))
        self.counts["abandoned"] += abandoned
        if not (folder / "finished").exists():
            self.hung.append(f"{name} has not ended")
        got = {}
        collections = sorted(folder.glob("collected.*[0-9]"), key=lambda file: file.stat().st_mtime)
        for file in [file for file in collections + [folder / "again"] if file.exists()]:
            got = self.collection(f"{name}, {file.name}", plan, words, file)
            if not (folder / "code").exists() or file.name.startswith("collected") and file != collections[-1]:
                continue  # its collector was killed
            self.policy(f"{name}, {file.name}", plan, words, got)
            self.exit_code(f"{name}, {file.name}", folder / ("again.code" if file.name == "again" else "code"), plan, len(words), got)
        if not (folder / "code").exists():
            return
        self.counts["fragments"] += len(words)
        values = sum(1 for kind in got.values() if kind == "value")
        self.counts["values"] += values
        self.counts["errors"] += len(got) - values
        self.counts["left out"] += len(words) - len(got)
        if plan["way"] == "submit":
            self.ending(name, plan, words, folder)

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
            word = words[index]
            wanted = "failed" if plan["kind"] == "fail" else OWN_ERRORS.get(word[0], "value")
            if kind != wanted:
                if plan["whole"] or kind != "cancelled":
                    self.lost.append(f"{name}: fragment {index} ({word[:20]}) is {kind} instead of {wanted}: {result.get('error', '')}")
                continue
            value = result.get("value")
            if kind == "value" and (value["stdout"] if isinstance(value, dict) else value + "\n") != word + "\n":
                self.wrong.append(f"{name}: fragment {index} has the value {str(value)[:60]}")
        return got

    def policy(self, name, plan, words, got):
        missing = [index for index in range(len(words)) if index not in got]
        if plan["whole"] and missing:
            self.lost.append(f"{name}: {len(missing)} of {len(words)} fragments, from {missing[0]} on")
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
        if status["outcome"] not in plan["outcomes"]:
            self.wrong.append(f"{name} ended as {status['outcome']} ({status['reason']}) instead of {plan['outcomes']}")
        if plan["whole"] and status["accepted"] != len(words):
            self.lost.append(f"{name}: {status['accepted']} of {len(words)} are accepted, says its status")
        if status["outcome"] == "running":
            self.hung.append(f"{name} has ended for its collector, and not for the broker")
        elif plan["deadline"]:
            took = float((folder / "ended").read_text()) - float((folder / "accepted").read_text())
            if max(took, status["took"]) > plan["deadline"] + GRACE:
                self.hung.append(f"{name} took {took:.1f} s, and {status['took']:.1f} s by its status; its deadline is {plan['deadline']} s")


def main():
    work = pathlib.Path(sys.argv[1])
    check = Check()
    for folder in sorted((work / "jobs").iterdir(), key=lambda folder: int(folder.name)):
        if (folder / "plan").exists():
            check.job(folder)
    check.hung += [f"still running: {json.loads(line)['id']}" for line in lines_of(work / "running")]
    check.wrong += lines_of(work / "trouble")

    for text in ("lost", "doubled", "hung", "wrong"):
        found = getattr(check, text)
        for line in found[:20]:
            print(f"{text}: {line}")
    faults = lines_of(work / "faults")
    for kind in ("kill", "pause", "restart"):
        of_kind = [line.split() for line in faults if line.startswith(kind)]
        print(f"{kind}s: {sum(int(words[2]) for words in of_kind)}: {', '.join(f'{words[1]} {words[2]}' for words in of_kind)}")
    counts = check.counts
    print(f"jobs: {counts['submitted']} submitted, {counts['mapped']} mapped, {counts['abandoned']} abandoned with their client")
    print(f"fragments: {counts['fragments']}: {counts['values']} values, {counts['errors']} errors of their own, {counts['left out']} left out by policy or deadline")
    print(f"lost {len(check.lost)}, doubled {len(check.doubled)}, hung {len(check.hung)}, wrong {len(check.wrong)}")
    killed = any(line.startswith("kill") for line in faults)
    if not killed:
        print("nothing was killed: this shows nothing")
    sys.exit(0 if killed and not (check.lost or check.doubled or check.hung or check.wrong) else 1)


if __name__ == "__main__":
    main()
