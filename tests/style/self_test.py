#!/usr/bin/env python3
"""Shows that each style rule can fail: a small tree that keeps them all, and one planted violation
after another in it. Ends with the exit code 1 when a rule misses its own, or finds it elsewhere."""
import subprocess
import sys
import tempfile
from pathlib import Path

import check
from tree import Tree

HEADER = "// What it is for.\n#pragma once\n\n"
CLEAN = {
    "README.md": "# Clean\n" + "".join(
        f"\n## Tour {number}\n1. `broker/core/core.cpp:step` begins.\n" for number in range(3)),
    "shared/base/ids.hpp": HEADER + "namespace fanfold {\nstruct Id {};\n}  // namespace fanfold\n",
    "shared/net/net.hpp": HEADER + '#include "shared/base/ids.hpp"\n',
    "shared/store/record.hpp": HEADER,
    "shared/include/fanfold/value.hpp": HEADER,
    "broker/core/core.hpp": HEADER + '#include "shared/base/ids.hpp"\n\n'
                            "namespace fanfold::broker {\nclass Core {\npublic:\n    void step();\n"
                            "    void stop();\n};\n}  // namespace fanfold::broker\n",
    "broker/core/core.cpp": '#include "broker/core/core.hpp"\n\nnamespace fanfold::broker {\n'
                            "void Core::step() {\n}\n}  // namespace fanfold::broker\n",
    "broker/core/other.cpp": '#include "broker/core/core.hpp"\n'
                             '#include "shared/store/record.hpp"\n',
    "gatherer/core/core.hpp": HEADER,
    "scatterer/api/embedded.hpp": HEADER + '#include "broker/core/core.hpp"\n',
    "scatterer/api/job.hpp": HEADER + '#include "fanfold/value.hpp"\n',
    "worker/core/core.hpp": HEADER,
    "scripts/run.sh": "#!/bin/bash\n",
    "tests/core_test.cpp": 'TEST_CASE("long") {\n' + "    CHECK(true);\n" * 80 + "}\n",
}
ROOMS = [f"broker/core/room{number}.hpp" for number in range(6)]
METHODS = "".join(f"    void method{number}();\n" for number in range(31))

# rule -> [(what is planted: file -> text added to it, where the rule must find it)]
PLANTED = {
    "top-level": [({"notes.txt": "x\n"}, "notes.txt")],
    "words": [({"broker/core/core.cpp": "// TOD" "O: later\n"}, "broker/core/core.cpp"),
              ({"scripts/run.sh": "# FIXM" "E\n"}, "scripts/run.sh")],
    "sleeping": [({"tests/core_test.cpp": "void f() { std::this_thread::sleep_for(1s); }\n"},
                  "tests/core_test.cpp"),
                 ({"tests/core_test.cpp": "void f() { ::sleep(1); }\n"}, "tests/core_test.cpp")],
    "headers": [({"broker/core/bare.hpp": "// Something.\n"}, "broker/core/bare.hpp"),
                ({"broker/core/bare.hpp": "#pragma once\n"}, "broker/core/bare.hpp")],
    "file-lines": [({"broker/core/core.cpp": "\n" * 400}, "broker/core/core.cpp"),
                   ({"scripts/run.sh": "\n" * 400}, "scripts/run.sh")],
    "columns": [({"broker/core/core.cpp": "// " + "long " * 20 + "\n"}, "broker/core/core.cpp"),
                ({"README.md": "long " * 21 + "\n"}, "README.md"),
                ({"scripts/run.sh": "# " + "long " * 20 + "\n"}, "scripts/run.sh")],
    "function-lines": [({"broker/core/other.cpp": "int f() {\n" + "    g();\n" * 50 + "}\n"},
                        "broker/core/other.cpp"),
                       ({"tests/core_test.cpp": "int f() {\n" + "    g();\n" * 50 + "}\n"},
                        "tests/core_test.cpp")],
    "class-methods": [({"broker/core/other.hpp": HEADER + "class Other {\n" + METHODS + "};\n"},
                       "broker/core/other.hpp"),
                      ({"broker/core/other.hpp": HEADER + "struct Other {\n    struct In {\n" +
                        METHODS + "    };\n};\n"}, "broker/core/other.hpp")],
    "definitions": [({"broker/core/other.cpp":
                      "namespace fanfold::broker {\nvoid Core::stop() {}\n}\n"},
                     "broker/core/other.cpp"),
                    ({"broker/core/other.cpp": "void fanfold::broker::Core::stop() {}\n"},
                     "broker/core/core.cpp")],
    "folders": [({"broker/core/core.cpp": '#include "shared/net/net.hpp"\n'},
                 "broker/core/core.cpp"),
                ({"shared/base/ids.hpp": '#include "shared/net/net.hpp"\n'}, "shared/base/ids.hpp"),
                ({"broker/core/core.cpp": '#include "gatherer/core/core.hpp"\n'},
                 "broker/core/core.cpp"),
                ({"broker/core/core.cpp": '#include "core.hpp"\n'}, "broker/core/core.cpp"),
                ({"broker/core/core.cpp": '#include "tests/support.hpp"\n',
                  "tests/support.hpp": HEADER}, "broker/core/core.cpp"),
                ({"broker/core/core.cpp": '#include "shared/store/store.hpp"\n',
                  "shared/store/store.hpp": HEADER}, "broker/core/core.cpp"),
                ({"broker/attic/core.cpp": '#include "broker/core/core.hpp"\n'},
                 "broker/attic/core.cpp"),
                ({"scatterer/api/job.hpp": '#include "worker/core/core.hpp"\n'},
                 "scatterer/api/job.hpp"),
                ({"scatterer/api/job.hpp": '#include "scatterer/api/embedded.hpp"\n'},
                 "scatterer/api/job.hpp")],
    "own-header-first": [({"broker/core/late.hpp": HEADER,
                           "broker/core/late.cpp": "#include <map>\n"},
                          "broker/core/late.cpp")],
    "cycles": [({"broker/core/a.hpp": HEADER + '#include "broker/core/b.hpp"\n',
                 "broker/core/b.hpp": HEADER,
                 "broker/core/b.cpp": '#include "broker/core/a.hpp"\n'},
                "broker/core/a")],
    "neighbours": [({"broker/core/a.cpp": "".join(f'#include "{room}"\n' for room in ROOMS),
                     **{room: HEADER for room in ROOMS}}, "broker/core/a")],
    "stops": [({"README.md": "See `broker/core/core.cpp:vanished`.\n"}, "README.md"),
              ({"README.md": "See `broker/core/gone.cpp:step`.\n"}, "README.md")],
    "tours": [({"README.md": "2. `broker/core/core.cpp:step`\n" * 10}, "README.md")],
}


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text)


def found_in(files):
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), CLEAN)
        write(Path(folder), files)
        return {(rule, path) for rule, path, _ in check.violations(Tree(folder))}


def needless_exceptions_are_errors():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, CLEAN)
        write(root, {f"tests/many/file{number}.cpp": "\n" for number in range(check.LEAST_FILES)})
        write(root, {"notes.txt": "x\n", "tests/style/exceptions.txt": "top-level notes.txt\n"})
        command = [sys.executable, check.__file__, folder]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            yield "an exception does not excuse what it names"
        (root / "notes.txt").unlink()
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 1 or "not needed any more" not in run.stderr:
            yield "an exception that is not needed any more is no error"


def main():
    failures = [f"the clean tree breaks {rule} in {path}" for rule, path in sorted(found_in({}))]
    failures += [f"nothing is planted for {rule}" for rule in check.RULES if rule not in PLANTED]
    for rule, cases in PLANTED.items():
        for files, where in cases:
            found = {path for broken, path in found_in(files) if broken == rule}
            if where is not None and where not in found:
                failures.append(f"{rule} misses what is planted in {where}: {files}")
            if where is None and found:
                failures.append(f"{rule} complains of what is right: {files}")
    failures += needless_exceptions_are_errors()
    print("\n".join(failures) if failures else f"{len(PLANTED)} rules find what is planted")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
