#!/usr/bin/env python3
"""Checks the style rules that no compiler sees.

usage: check.py SOURCE_FOLDER [RULE...]       all rules, or those named
       check.py SOURCE_FOLDER --list          what is broken, in the form of exceptions.txt

exceptions.txt holds what is known to break a rule, one `rule path` in a line. It may only shrink:
a line that is not needed any more is an error."""
import sys
from pathlib import Path

import code_rules
import include_rules
import text_rules
import tour_rules
from tree import Tree

RULES = text_rules.RULES | code_rules.RULES | include_rules.RULES | tour_rules.RULES
LEAST_FILES = 100  # fewer, and the search for them is broken


def violations(tree, names=RULES):
    """[(rule, path, text)]"""
    return [(name, path, text) for name in names for path, text in RULES[name](tree)]


def read_exceptions(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return {tuple(line.split()) for line in lines if line and not line.startswith("#")}


def main(arguments):
    tree = Tree(arguments[0])
    chosen = [name for name in arguments[1:] if name in RULES]
    unknown = set(arguments[1:]) - set(chosen) - {"--list"}
    if unknown:
        sys.exit(f"check.py: no rule {' '.join(sorted(unknown))}; there are {' '.join(RULES)}")
    chosen = chosen or list(RULES)
    found = violations(tree, chosen)
    if "--list" in arguments:
        print("\n".join(sorted({f"{rule} {path}" for rule, path, _ in found})))
        return 0
    excepted = {each for each in read_exceptions(tree.root / "tests/style/exceptions.txt")
                if each[0] in chosen or each[0] not in RULES}
    new = [f"{path}: {text} [{rule}]" for rule, path, text in found if (rule, path) not in excepted]
    needless = excepted - {(rule, path) for rule, path, _ in found}
    new += [f"tests/style/exceptions.txt: delete `{' '.join(each)}`; it is not needed any more"
            for each in sorted(needless)]
    if len(tree.code) < LEAST_FILES:
        new.append(f"only {len(tree.code)} source files found under {tree.root}")
    if new:
        print("\n".join(new), file=sys.stderr)
        return 1
    print(f"{len(tree.files)} files keep {len(chosen)} rules, with {len(excepted)} exceptions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
