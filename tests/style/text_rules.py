"""Rules about text: what lies at the top, words, lengths of lines and files, headers, sleeping."""
import re

from tree import FOLDERS

TOP_LEVEL = FOLDERS + ("build", "CMakeLists.txt", "CMakePresets.json", "README.md")
MOST_LINES = 400
MOST_COLUMNS = 100
# (Each word is written with a bracket, so that this file does not find itself.)
PROMISES = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")
LONG_TEXT = re.compile(r"""'[^']{40,}'|"[^"]{40,}\"""")
SLEEPS = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|[^.a-z_]sleep\(")


def top_level(tree):
    for path in sorted(tree.root.iterdir()):
        if not path.name.startswith(".") and path.name not in TOP_LEVEL:
            yield path.name, "nothing else belongs at the top level; put it beside what it serves"


def words(tree):
    names = tree.code + tree.scripts + [".ci/run"]
    for name in names:
        if not (tree.root / name).exists():
            continue
        for number, line in enumerate(tree.lines(name), 1):
            if PROMISES.search(line):
                yield name, f"line {number} promises work instead of doing it: {line.strip()}"


def sleeping(tree):
    for name in tree.code:
        if not name.startswith("tests/"):
            continue
        for number, line in enumerate(tree.lines(name), 1):
            if SLEEPS.search(line):
                yield name, f"line {number} sleeps; a test waits for a condition with a bound"


def headers(tree):
    for name in tree.ending(".hpp"):
        lines = tree.lines(name)
        if not lines or not lines[0].startswith("//"):
            yield name, "opens without a comment on purpose, owner thread and invariants"
        if "#pragma once" not in lines:
            yield name, "has no #pragma once"


def file_lines(tree):
    for name in tree.code + tree.scripts:
        count = len(tree.lines(name))
        if count > MOST_LINES:
            yield name, f"{count} lines, more than {MOST_LINES}; cut it where its purposes part"


def columns(tree):
    """Exempt: what stands between `clang-format off` and `on`, and includes; in scripts lines that
    hold a text in quotes, which can't be cut; in documents tables, blocks of code and addresses."""
    for name in tree.code + tree.scripts:
        formatted = True
        for number, line in enumerate(tree.lines(name), 1):
            if re.search(r"// clang-format (on|off)", line):
                formatted = "clang-format on" in line
            exempt = not formatted or line.startswith("#include")
            exempt |= name.endswith((".sh", ".py")) and LONG_TEXT.search(line) is not None
            if len(line) > MOST_COLUMNS and not exempt:
                yield name, f"line {number} has {len(line)} columns, more than {MOST_COLUMNS}"
    for name in tree.ending(".md") + ["README.md"]:
        if not (tree.root / name).exists():
            continue
        block = False
        for number, line in enumerate(tree.lines(name), 1):
            if line.lstrip().startswith("```"):
                block = not block
            exempt = block or line.lstrip().startswith("|") or re.search(r"https?://\S{60}", line)
            if len(line) > MOST_COLUMNS and not exempt:
                yield name, f"line {number} has {len(line)} columns, more than {MOST_COLUMNS}"


RULES = {"top-level": top_level, "words": words, "sleeping": sleeping, "headers": headers,
         "file-lines": file_lines, "columns": columns}
