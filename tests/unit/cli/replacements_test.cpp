// Replacement strings beyond the usual ones: other names for the input, columns by name, --plus,
// the slot, and commands that are the inputs themselves.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/support/templates.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;

TEST_CASE("without a command, or with {} alone, the inputs are the commands") {
    for (const Words& words : {Words{}, Words{"{}"}}) {
        CHECK(argv(words, {"echo a; exit"}) == Words{"/bin/sh", "-c", "echo a; exit"});
        CHECK(made(words).display(Words{"echo $X"}, 1) == "echo $X");
    }
    CHECK(argv({",,"}, {"echo"}, {.input = ",,"}) == Words{"/bin/sh", "-c", "echo"});
    CHECK(argv({"{}"}, {"true"}, {.no_shell = true}) == Words{"true"});
}

TEST_CASE("another string for the input") {
    TemplateOptions use{.input = ",,"};
    CHECK(argv({"p", ",,", "{.}"}, {"a.b"}, use) == Words{"p", "a.b", "a"});
    CHECK(output_of(argv({"echo ,, {}"}, {"a  b"}, use)) == "a  b {}\n");
    CHECK(argv({"p"}, {"a"}, use) == Words{"p", "a"});
}

TEST_CASE("columns by their names") {
    TemplateOptions use{.names = {"x", "xy", "file"}};
    CHECK(argv({"p", "{xy}", "{x}", "{file/.}", "{2}"}, {"1", "2", "/a/b.c"}, use) ==
          Words{"p", "2", "1", "b", "2"});
    CHECK(contains(template_error({"echo {nope}"}, use), "there are {x} {xy} {file} {} {.}"));
    const std::string long_name(100, 'n');
    CHECK(argv({"p", "{" + long_name + "}"}, {"v"}, {.names = {long_name}}) == Words{"p", "v"});
}

TEST_CASE("with --plus, what is taken off and what stays") {
    TemplateOptions use{.plus = true};
    const Words asked{"p", "{..}", "{...}", "{/..}", "{+/}", "{+.}", "{+..}", "{+...}"};
    auto of = [&](const char* value) { return argv(asked, {value}, use); };
    // As GNU parallel has it: two extensions go, or none.
    CHECK(of("/x/z.tar.gz") == Words{"p", "/x/z", "/x/z.tar.gz", "z", "/x", "gz", "tar.gz", ""});
    CHECK(of("a.b") == Words{"p", "a.b", "a.b", "a.b", "", "b", "", ""});
    CHECK(of("1.2.3.4") == Words{"p", "1.2", "1", "1.2", "", "4", "3.4", "2.3.4"});
    CHECK(of("c") == Words{"p", "c", "c", "c", "", "", "", ""});
}

TEST_CASE("the slot is filled in by the shell that runs the command") {
    ::setenv("FANFOLD_SLOT", "7", 1);
    CHECK(output_of(argv({"echo {%}a \"b{%}c\" 'd{%}e'"}, {"x"})) == "7a b7c d7e\n");
    ::unsetenv("FANFOLD_SLOT");
}

TEST_CASE("-X: a word with {} in it stands once for each value") {
    TemplateOptions use{.repeats = true};
    CHECK(argv({"p", "a{.}b", "{#}", "{}"}, {"1.x", "2"}, use) ==
          Words{"p", "a1b", "a2b", "1", "1.x", "2"});
    CHECK(argv({"echo", "a{}b"}, {"1 2", "3"}, use) == Words{"/bin/sh", "-c", "echo 'a1 2b' a3b"});
    CHECK(argv({"echo {} | cat"}, {"1", "2"}, use) == Words{"/bin/sh", "-c", "echo 1 2 | cat"});
    CHECK(contains(template_error({"echo a{} | cat"}, use), "-X"));
}
