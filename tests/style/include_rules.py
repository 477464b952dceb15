"""Rules about includes: which folder may include which (the table), no cycles, few neighbours."""
from collections import defaultdict

from tree import COMPONENTS, folder_of, room_of

# The layers of shared/: each may include those before it.
SHARED = ["shared/include/fanfold"] + [
    "shared/" + layer
    for layer in ("base", "wire", "events", "store", "log", "net", "security", "program")]
# What a core may know: it does no input and output, and logs nothing. Of the store it knows the
# records alone.
FOR_CORES = ["shared/store/record.hpp"] + [
    folder for folder in SHARED
    if folder not in ("shared/store", "shared/log", "shared/net", "shared/program")]
# The command line's folders; input, command and output do not know one another.
FOR_CLI = ["scatterer/cli/" + folder
           for folder in ("base", "input", "command", "output", "options", "verbs")]

# The table: what each folder may include besides itself, folders or single files.
ALLOWED = {folder: SHARED[:place] for place, folder in enumerate(SHARED)} | {
    "broker/base": ["shared/base"],
    "broker/books": FOR_CORES + ["broker/base"],
    "broker/state": FOR_CORES + ["broker/base", "broker/books"],
    "broker/dispatch": FOR_CORES + ["broker/base", "broker/books", "broker/state"],
    "broker/core": FOR_CORES + ["broker/base", "broker/books", "broker/state", "broker/dispatch"],
    "broker": SHARED + ["broker/state", "broker/core"],
    "gatherer/core": FOR_CORES,
    "gatherer": SHARED + ["gatherer/core"],
    "worker/include/fanfold": ["shared/include/fanfold"],
    "worker/core": FOR_CORES,
    "worker/guardian": ["shared/base"],
    "worker/handlers": FOR_CORES + ["worker/core", "worker/include/fanfold"],
    "worker/commands": FOR_CORES + ["worker/core", "worker/handlers", "worker/guardian"],
    "worker": SHARED + ["worker/include/fanfold", "worker/core", "worker/handlers",
                        "worker/commands", "worker/guardian"],
    "scatterer/include/fanfold": ["shared/include/fanfold"],
    "scatterer": ["shared/base"],
    "scatterer/core": FOR_CORES,
    "scatterer/client": SHARED + ["scatterer/include/fanfold", "scatterer/core"],
    "scatterer/api": SHARED + ["scatterer/include/fanfold", "scatterer/core", "scatterer/client"],
    "scatterer/cli/base": SHARED + ["scatterer/include/fanfold"],
    "scatterer/cli/input": SHARED + FOR_CLI[:1],
    "scatterer/cli/command": SHARED + FOR_CLI[:1],
    "scatterer/cli/output": SHARED + ["scatterer/include/fanfold"] + FOR_CLI[:1],
    "scatterer/cli/options": SHARED + ["scatterer/include/fanfold"] + FOR_CLI[:4],
    "scatterer/cli/verbs": SHARED + ["scatterer/include/fanfold"] + FOR_CLI[:5],
    "scatterer/cli": SHARED + FOR_CLI,
}
# The embedded form is the composition: it may include every component, and only the command line
# and itself may include it.
EMBEDDED = ("scatterer/api/embedded", "scatterer/include/fanfold/embedded")
MAY_EMBED = ("scatterer/cli/",) + EMBEDDED

MOST_NEIGHBOURS = 5
MANY_NEIGHBOURS = ("main", "shell", "core", "router")  # these tie a folder together


def resolve(tree, target):
    """The file that an include means, from the root; None if it is none of ours."""
    if (tree.root / target).is_file():
        return target
    for component in COMPONENTS:
        public = f"{component}/include/{target}"
        if target.startswith("fanfold/") and (tree.root / public).is_file():
            return public
    return None


def edges(tree):
    for name, includes in tree.includes.items():
        for number, target in includes:
            yield name, number, target, resolve(tree, target)


def folders(tree):
    for name, number, target, found in edges(tree):
        if found is None:
            yield name, f'line {number}: "{target}" is not written from the project\'s root'
        elif name.startswith("tests/") or name.startswith("scripts/"):
            continue
        elif found.startswith(EMBEDDED):
            if not name.startswith(MAY_EMBED):
                yield name, f'line {number}: only the command line may include "{target}"'
        elif folder_of(name) not in ALLOWED:
            yield name, f"its folder {folder_of(name)} is not in the table of include_rules.py"
        elif name.startswith(EMBEDDED) and found.startswith(COMPONENTS):
            continue
        elif found == name.split("/")[0] + "/limits.hpp":
            continue  # a component's limits include none of its folders, and all may know them
        elif not {found, folder_of(found)} & {folder_of(name), *ALLOWED[folder_of(name)]}:
            yield name, f'line {number}: {folder_of(name)} may not include "{target}"'


def neighbours_of(tree):
    """room -> the rooms of its own folder that it includes"""
    rooms = defaultdict(set)
    for name, _, _, found in edges(tree):
        if found and folder_of(found) == folder_of(name) and room_of(found) != room_of(name):
            rooms[room_of(name)].add(room_of(found))
    return rooms


def cycles(tree):
    """Folders have none by their table; rooms of one folder are searched here."""
    rooms = neighbours_of(tree)

    def reach(start):
        seen, waiting = set(), [start]
        while waiting:
            for room in rooms[waiting.pop()] - seen:
                seen.add(room)
                waiting.append(room)
        return seen

    for room in sorted(rooms):
        reached = reach(room)
        if room in reached:
            ring = sorted(other for other in reached if room in reach(other))
            yield room, "stands in a cycle of includes: " + ", ".join(ring)


def neighbours(tree):
    for room, others in sorted(neighbours_of(tree).items()):
        name = room.rpartition("/")[2]
        if room.startswith("tests/") or name in MANY_NEIGHBOURS or "/include/" in room:
            continue
        if len(others) > MOST_NEIGHBOURS:
            yield room, (f"includes {len(others)} neighbours, more than {MOST_NEIGHBOURS}: " +
                         ", ".join(sorted(other.rpartition("/")[2] for other in others)))


def own_header_first(tree):
    """So that each header with a .cpp of its own is known to compile alone."""
    for name, includes in tree.includes.items():
        header = room_of(name) + ".hpp"
        if not name.endswith(".cpp") or not (tree.root / header).is_file():
            continue
        first = next((line for line in tree.lines(name) if line.lstrip().startswith("#")), "")
        if first != f'#include "{header}"':
            yield name, f'its first include is not "{header}"'


RULES = {"own-header-first": own_header_first, "folders": folders, "cycles": cycles,
         "neighbours": neighbours}
