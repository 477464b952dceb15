"""Rules about code: the sizes of functions and classes, and one place for a class's definitions."""
import re
from collections import defaultdict

MOST_FUNCTION_LINES = 50
MOST_METHODS = 30
CLASSES = ("class", "struct", "union")


def function_lines(tree):
    """Exempt: bodies of test cases, which are scripts; a lambda counts as part of its function."""
    for tag in tree.tags:
        if tag["kind"] != "function" or tag["name"].startswith(("__anon", "TEST_CASE")):
            continue
        count = tag.get("end", tag["line"]) - tag["line"] + 1
        if count > MOST_FUNCTION_LINES:
            yield tag["path"], (f"{tag['name']} at line {tag['line']} has {count} lines, more than "
                                f"{MOST_FUNCTION_LINES}")


def class_methods(tree):
    """All that a class's body declares counts: constructors, operators, overloads. Only what a
    visitor does with each alternative, its call operators, counts once."""
    methods = defaultdict(dict)
    for tag in tree.tags:
        if tag["kind"] in ("function", "prototype") and tag.get("scopeKind") in CLASSES:
            if not tag["name"].startswith("__anon"):
                calls = tag["name"].replace(" ", "") == "operator()"
                methods[tag["path"], tag["scope"]]["()" if calls else tag["line"]] = tag["line"]
    for tag in tree.tags:
        if tag["kind"] not in CLASSES:
            continue
        scope = f"{tag['scope']}::{tag['name']}" if "scope" in tag else tag["name"]
        end = tag.get("end", tag["line"])
        lines = methods[tag["path"], scope].values()
        count = sum(tag["line"] <= line <= end for line in lines)
        if count > MOST_METHODS:
            yield tag["path"], f"{tag['name']} has {count} methods, more than {MOST_METHODS}"


def definitions(tree):
    """The members of a class are defined in one .cpp, and in the one beside its header."""
    places = defaultdict(set)
    for tag in tree.tags:
        if tag["kind"] == "function" and tag.get("scopeKind") in CLASSES:
            if tag["path"].endswith(".cpp") and not tag["name"].startswith("__anon"):
                places[tag["scope"]].add(tag["path"])
    for scope, files in sorted(places.items()):
        if len(files) > 1 and not re.search(r"__anon|\btests?\b", scope):
            for name in sorted(files):
                others = ", ".join(sorted(files - {name}))
                yield name, f"defines members of {scope}, which {others} defines too"


RULES = {"function-lines": function_lines, "class-methods": class_methods,
         "definitions": definitions}
