"""Rules about the tours of the READMEs: every stop exists, a tour is short, and three are told.

A stop is written `folder/file.cpp:function`; a tour is a section with "tour" in its heading."""
import re

STOP = re.compile(r"`([\w./]+\.[ch]pp):([\w:~]+)(?:\(\))?`")
MOST_STOPS = 10
LEAST_TOURS = 3


def documents(tree):
    names = ["README.md"] + tree.ending(".md")
    return [name for name in names if (tree.root / name).exists()]


def tours_of(tree, name):
    """The tours of a document: (heading, [stop])."""
    tours, current = [], None
    for line in tree.lines(name):
        if line.startswith("#"):
            current = (line.lstrip("# "), []) if "tour" in line.lower() else None
            if current:
                tours.append(current)
        elif current:
            current[1].extend(STOP.findall(line))
    return [tour for tour in tours if tour[1]]


def stops(tree):
    defined = {}
    for tag in tree.tags:
        if tag["kind"] in ("function", "prototype"):
            defined.setdefault(tag["path"], set()).add(tag["name"])
    for name in documents(tree):
        for number, line in enumerate(tree.lines(name), 1):
            for path, function in STOP.findall(line):
                beside = f"{name.rpartition('/')[0]}/{path}".lstrip("/")
                path = path if path in defined else beside
                if function.rpartition("::")[2] not in defined.get(path, ()):
                    yield name, f"line {number}: there is no function {function} in {path}"


def tours(tree):
    count = 0
    for name in documents(tree):
        for heading, found in tours_of(tree, name):
            count += 1
            if len(found) > MOST_STOPS:
                yield name, f'"{heading}" has {len(found)} stops, more than {MOST_STOPS}'
    if count < LEAST_TOURS:
        yield "README.md", (f"{count} tours are told in the READMEs, fewer than {LEAST_TOURS}: a "
                            "payload, a worker's death, a broker's restart")


RULES = {"stops": stops, "tours": tours}
