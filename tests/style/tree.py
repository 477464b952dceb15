"""The source tree as the style rules see it: its files, their lines, and what ctags finds."""
import json
import re
import subprocess
from functools import cached_property
from pathlib import Path

COMPONENTS = ("broker", "gatherer", "scatterer", "shared", "worker")
FOLDERS = COMPONENTS + ("scripts", "tests")
CODE = (".cpp", ".hpp")
INCLUDE = re.compile(r'^ *# *include +"([^"]+)"')


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self._lines = {}

    @cached_property
    def files(self):
        """All files of the project's folders as paths from the root, sorted."""
        found = []
        for folder in FOLDERS:
            for path in sorted((self.root / folder).rglob("*")):
                name = str(path.relative_to(self.root))
                if path.is_file() and "__pycache__" not in name and "fuzz/corpus" not in name:
                    found.append(name)
        return found

    def ending(self, *endings):
        return [name for name in self.files if name.endswith(endings)]

    @property
    def code(self):
        return self.ending(*CODE)

    @property
    def scripts(self):
        return self.ending(".sh", ".py", ".cmake", "CMakeLists.txt")

    def lines(self, name):
        if name not in self._lines:
            text = (self.root / name).read_text(encoding="utf-8", errors="replace")
            self._lines[name] = text.splitlines()
        return self._lines[name]

    @cached_property
    def includes(self):
        """file -> [(line number, the text between the quotes)]"""
        found = {}
        for name in self.code:
            matches = ((number, INCLUDE.match(line))
                       for number, line in enumerate(self.lines(name), 1))
            found[name] = [(number, match[1]) for number, match in matches if match]
        return found

    @cached_property
    def tags(self):
        """What Universal Ctags finds in the code: a list of its JSON objects."""
        command = ["ctags", "--output-format=json", "--languages=C++", "--language-force=C++",
                   "--fields=+neSKs", "--kinds-C++=+pf", "--sort=no", "-I", "TEST_CASE",
                   "-o", "-", "-L", "-"]
        output = subprocess.run(command, cwd=self.root, input="\n".join(self.code), text=True,
                                capture_output=True, check=True).stdout
        tags = [json.loads(line) for line in output.splitlines()]
        return [tag for tag in tags if tag["_type"] == "tag"]


def folder_of(name):
    return name.rpartition("/")[0]


def room_of(name):
    """A .hpp/.cpp pair is one room."""
    return name.rpartition(".")[0]
