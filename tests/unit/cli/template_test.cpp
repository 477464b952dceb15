#include "scatterer/cli/command/template.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/templates.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;

namespace {

const std::string marker =
    (std::filesystem::temp_directory_path() / ("fanfold-template-" + std::to_string(::getpid())))
        .string();

// What a shell would not take for itself.
const Words not_plain{"plain",
                      "a b",
                      "a'b",
                      "''",
                      "'",
                      "\"",
                      "a\"b",
                      "line\nbreak",
                      "\n",
                      "-rf",
                      "",
                      "*",
                      "~",
                      "\\",
                      "\\\\",
                      "a\\'b",
                      "\\n",
                      "$HOME",
                      "${HOME}",
                      "$",
                      "!",
                      "#",
                      "# x",
                      "{}",
                      "{1}",
                      "%s",
                      "%",
                      "A=b",
                      "if",
                      "done",
                      "2",
                      "cd",
                      "&",
                      "|",
                      "<",
                      ">",
                      ";",
                      "(",
                      ")",
                      "é",
                      "\t",
                      " ",
                      "  a  ",
                      "`",
                      "]",
                      "[a]",
                      "?",
                      "^",
                      "\x01\x7f\xff",
                      "x; echo y",
                      "'; echo y; '",
                      "\"; echo y; \"",
                      "a\nb'c\"d\\e$f`g"};

// Values that would do something if a shell read them.
Words nasty_values() {
    Words values = not_plain;
    for (const char* form :
         {"$(touch @)", "`touch @`", "; touch @", "'; touch @; '", "\"; touch @; \"",
          "'$(touch @)'", "\"$(touch @)\"", "\ntouch @\n", "& touch @", "| touch @",
          "${x:-$(touch @)}", "\\'; touch @; \\'", ")\ntouch @\n(", "}; touch @"}) {
        std::string value = form;
        value.replace(value.find('@'), 1, marker);
        values.push_back(value);
    }
    return values;
}

}  // namespace

TEST_CASE("replacement strings follow GNU parallel") {
    struct Case {
        const char* value;
        const char* extension;
        const char* folders;
        const char* name;
        const char* both;
    };
    // The values of {.} {/} {//} {/.} as GNU parallel gives them.
    const std::vector<Case> cases{{"a", "a", "a", ".", "a"},
                                  {"a.b", "a", "a.b", ".", "a"},
                                  {"a/b.c/d", "a/b.c/d", "d", "a/b.c", "d"},
                                  {"a/b.c/d.e", "a/b.c/d", "d.e", "a/b.c", "d"},
                                  {"/", "/", "", "/", ""},
                                  {"/a", "/a", "a", "/", "a"},
                                  {"a/", "a/", "", ".", ""},
                                  {".bashrc", "", ".bashrc", ".", ""},
                                  {"a/.bashrc", "a/", ".bashrc", "a", ""},
                                  {"a.tar.gz", "a.tar", "a.tar.gz", ".", "a.tar"},
                                  {"../x", "../x", "x", "..", "x"},
                                  {"a//b", "a//b", "b", "a", "b"},
                                  {"a.", "a", "a.", ".", "a"},
                                  {"/a.b/", "/a.b/", "", "/", ""},
                                  {"a /b c.d", "a /b c", "b c.d", "a ", "b c"},
                                  {"//", "//", "", "/", ""},
                                  {"a/.", "a/", ".", "a", ""},
                                  {"..", ".", "..", ".", "."},
                                  {"", "", "", ".", ""}};
    for (const Case& c : cases) {
        CAPTURE(c.value);
        CHECK(argv({"p", "{}", "{.}", "{/}", "{//}", "{/.}"}, {c.value}) ==
              Words{"p", c.value, c.extension, c.folders, c.name, c.both});
        CHECK(argv({"p", "{1}", "{1.}", "{1/}", "{1//}", "{1/.}"}, {c.value}) ==
              Words{"p", c.value, c.extension, c.folders, c.name, c.both});
    }
}

TEST_CASE("positions count from both ends; one that is not there gives nothing") {
    Words values{"a", "b", "x/c.d"};
    CHECK(argv({"p", "{1}", "{2}", "{3/.}", "{-1//}", "{-3}"}, values) ==
          Words{"p", "a", "b", "c", "x", "a"});
    CHECK(argv({"p", "{4}", "-{4}-", "{-4}", "{2}"}, values) == Words{"p", "--", "b"});
    CHECK(argv({"p >x", "{4}", "-{4}-", "{2}"}, values)[2] == "p >x  -- b");
    CHECK(argv({"p", "{#}", "n{#}"}, {"v"}) == Words{"p", "1", "n1"});
    CHECK(made({"p", "{#}"}).argv(Words{"v"}, 1'000'000'000'000).value() ==
          Words{"p", "1000000000000"});
}

TEST_CASE("without a replacement string the values are appended") {
    CHECK(argv({"wc", "-l"}, {"a b"}) == Words{"wc", "-l", "a b"});
    CHECK(argv({"wc -l | cat"}, {"a b"}) == Words{"/bin/sh", "-c", "wc -l | cat 'a b'"});
    CHECK(argv({"p", "{#}"}, {"a"}) == Words{"p", "1"});
    CHECK(argv({"p"}, {"a b", "c"}) == Words{"p", "a b", "c"});
    CHECK(argv({"p", "a b"}, {"c d"}, {.no_shell = true}) == Words{"p", "a b", "c d"});
    CHECK(argv({"wc", "-l"}, {}, {.pipe = true}) == Words{"wc", "-l"});
    CHECK(argv({"split", "{#}", "x{}"}, {}, {.pipe = true})[2] == "split 1 x{}");
    CHECK(made({"wc", "-l"}).title() == "wc -l");
    CHECK(made({"wc", "-l", "{}"}).title() == "wc -l {}");
    // Braces that are no replacement string stay.
    CHECK(argv({"p '{a}' {-} {1,2} {{}} {.x}"}, {"v"})[2] == "p '{a}' {-} {1,2} {'v'} {.x}");
}

TEST_CASE("several values are quoted singly") {
    Words values{"a", "b c", ""};
    CHECK(argv({"p", "{}", "x{}y"}, values) == Words{"p", "a", "b c", "", "xa", "b c", "y"});
    CHECK(argv({"p >o {}"}, values)[2] == "p >o a 'b c' ''");
    CHECK(argv({"p '{}' >o"}, values)[2] == "p '''a b c ''' >o");
    CHECK(argv({"p", "{}", "x{}y"}, values, {.no_shell = true}) ==
          Words{"p", "a", "b c", "", "xa b c y"});
    CHECK(argv({"p >o {/}"}, {"x/a", "y/b"})[2] == "p >o a b");
    // Both ways to run it see the same words.
    CHECK(output_of(argv({"printf", "[%s]", "x{}y"}, values)) ==
          output_of(argv({"printf [%s] x{}y"}, values)));
}

TEST_CASE("a shell runs what a shell must read, and nothing else") {
    for (const char* line :
         {"wc -l {}", "wc -l", "./run --x=1 {}", "gzip -9 {} --name {/}.gz", "  wc   -l\t{}  ",
          "/bin/x a:b,c@d+e%f", "true", "test -f {}", "printf %s {}", "x if=/dev/zero of={}"}) {
        CAPTURE(line);
        CHECK(!made({line}).uses_shell());
    }
    for (const char* line :
         {"wc -l < {}", "cd {}",   "exit 3",  "export A", "if x",     "for x",    "while x",
          "! x",        "[[ x",    ". x",     ": x",      "source x", "eval x",   "exec x",
          "ulimit -n",  "umask 0", "trap x",  "set x",    "unset x",  "read x",   "type x",
          "command x",  "wait",    "alias x", "times",    "echo {}",  "A=b x {}", "A=b",
          "{}",         "{} x",    "x{}",     "a;b",      "a&b",      "a|b",      "x $y",
          "x *",        "x ?",     "x [a]",   "x ~",      "x #y",     "x 'y'",    "x \"y\"",
          "x \\y",      "x\ny",    "x (y)",   "x {a,b}",  "x !y",     "x ^y",     "pwd {}",
          "time x",     "%1"}) {
        CAPTURE(line);
        CHECK(Template::make({line}, {.pipe = true}).value().uses_shell());
    }
    CHECK(argv({"wc", "-l", "<", "{}"}, {"a b"}) == Words{"/bin/sh", "-c", "wc -l < 'a b'"});
    CHECK(argv({"  wc   -l\t{}  "}, {"a b"}) == Words{"wc", "-l", "a b"});
    CHECK(argv({"p;q", "a b", "<{}"}, {"v w"}, {.no_shell = true}) == Words{"p;q", "a b", "<v w"});
    CHECK(argv({"{}", "x"}, {"v w"}, {.no_shell = true}) == Words{"v w", "x"});
}

TEST_CASE("any value reaches the command byte for byte, wherever it stands") {
    for (const std::string& value : nasty_values()) {
        CAPTURE(value);
        for (const char* line : {"printf %s {}",
                                 "printf %s {} ''",
                                 "printf %s '{}'",
                                 "printf %s \"{}\"",
                                 "printf %s {} # it's",
                                 "true; printf %s {}",
                                 "x=y; printf %s \"{}\" # \"",
                                 "printf \"%s\" {} 2>&1",
                                 "(printf %s {})",
                                 "printf %s '' {}",
                                 "x='{}'; printf %s \"$x\"",
                                 "x={}; printf %s \"$x\"",
                                 "x=\"{}\"; printf %s \"$x\"",
                                 "if true; then printf %s {}; fi",
                                 "true \\\" && printf %s {}",
                                 "true $(true {}) && printf %s {}",
                                 "true \"$(true \"{}\")\" \"it's\" && printf %s \"{}\"",
                                 "true $((1 << 2)) $#\nprintf %s {}",
                                 "for x in {}; do printf %s \"$x\"; done",
                                 "true $# ${x:-'}'}; printf %s {1}",
                                 "cat <<E >/dev/null; printf %s {}\nit's\nE\n"}) {
            CAPTURE(line);
            CHECK(output_of(argv({line}, {value})) == value);
        }
        CHECK(output_of(argv({"printf >&1 '<%s>' a{}b c\"d{}\"e f'{}'g $HOME{}|tail -c +1|cat"},
                             {value})) == "<a" + value + "b><cd" + value + "e><f" + value + "g><" +
                                              std::string(::getenv("HOME")) + value + ">");
        CHECK(output_of(argv({"printf", "%s", "{}"}, {value}, {.no_shell = true})) == value);
        CHECK(output_of({"/bin/sh", "-c", made({"printf", "%s", "{}"}).display(Words{value}, 1)}) ==
              value);
        CHECK(output_of(
                  {"/bin/sh", "-c",
                   made({"printf", "%s", "{}"}, {.no_shell = true}).display(Words{value}, 1)}) ==
              value);
    }
    CHECK(::access(marker.c_str(), F_OK) != 0);
}

TEST_CASE("a value never joins what stands beside it") {
    CHECK(argv({"echo {}>f"}, {"2"})[2] == "echo '2'>f");
    CHECK(argv({"echo $x{}"}, {"y"})[2] == "echo $x'y'");
    CHECK(argv({"echo \"$x{}\""}, {"y"})[2] == "echo \"$x\"'y'\"\"");
    CHECK(argv({"echo {#}>f"}, {"2"})[2] == "echo '1'>f");
    CHECK(argv({"{} x"}, {"if"})[2] == "'if' x");
    CHECK(argv({"{} x"}, {"A=b"})[2] == "'A=b' x");
    CHECK(argv({"{} x"}, {"--a=b"})[2] == "--a=b x");
}

TEST_CASE("places that can't be quoted safely are refused with the way out") {
    const std::vector<std::pair<const char*, const char*>> cases{
        {"echo `wc {}`", "backticks"},
        {"echo \"`wc {}`\"", "backticks"},
        {"echo ${x:-{}}", "${…}"},
        {"echo $(({} * 2))", "$((…))"},
        {"echo \"$(( $(echo 1) + {} ))\"", "$((…))"},
        {"cat <<E\n{}\nE", "here-document"},
        {"cat <<E\nx\nE", "here-document"},
        {"echo \\{}", "backslash"},
        {"echo \"\\{}\"", "backslash"},
        {"echo ${1}", "a $ stands before it"},
        {"echo \"${}\"", "a $ stands before it"},
        {"echo ${#}", "a $ stands before it"},
        {"sh -c 'echo ${1}'", "a $ stands before it"},
        {"echo x # {}", "comment"},
        {"echo x #", "comment"},
        {"echo $'a' {}", "$'…'"},
        {"echo $(case x in a) echo {};; esac)", "case"},
        {"((x = {}))", "(("},
        {"echo \"${x:-'}\" {}", "quotes inside"},
        {"echo it's {}", "does not close"},
        {"echo \"x", "does not close"},
        {"echo {} $(x", "does not close"},
    };
    for (auto [line, reason] : cases) {
        CAPTURE(line);
        std::string error = template_error({line});
        CHECK_MESSAGE(contains(error, reason), error);
    }
    // A comment ends with its line, and # within a word is none.
    CHECK(template_error({"echo x # it's\necho {}"}).empty());
    CHECK(template_error({"echo x#{} $# {}"}).empty());
}

TEST_CASE("wrong templates are refused") {
    CHECK(contains(template_error({}, {.no_shell = true}), "no command given"));
    CHECK(contains(template_error({}, {.pipe = true}), "no command given"));
    CHECK(contains(template_error({" ", ""}), "command is empty"));
    CHECK(contains(template_error({"", "x"}, {.no_shell = true}), "first word is empty"));
    CHECK(contains(template_error({"x", "{%}"}, {.no_shell = true}), "FANFOLD_SLOT"));
    CHECK(contains(template_error({"x", "{##}"}), "{##} is not supported"));
    CHECK(contains(template_error({"x", "{0}"}), "counted from 1"));
    CHECK(contains(template_error({std::string("x\0y", 3)}), "NUL"));
    Result<Words> filled = made({"wc"}).argv(Words{std::string("a\0b", 3)}, 5);
    REQUIRE(!filled);
    CHECK(contains(filled.error().text, "input 5 has a NUL byte"));
}

TEST_CASE("unknown replacement strings are refused by name, with those there are") {
    for (const char* unknown : {"{..}", "{...}", "{/..}", "{+/}", "{+.}", "{1..}", "{-1+/}",
                                "{= s/a/b/ =}", "{= $_ = uc($_), a long one =}", "{name}"}) {
        CAPTURE(unknown);
        const std::string error = template_error({std::string("echo x") + unknown + " {}"});
        CHECK(contains(error, "unknown replacement string {"));
        CHECK(contains(error, "{.} {/} {//} {/.} {#}"));
    }
    for (const char* text :
         {"awk '{print}' {}", "echo ${HOME} {}", "git diff @{upstream} {}", "{ echo {}; }",
          "echo \\{name} {}", "echo {1..3} {}", "echo {a,b} {}", "echo \"{name}\" {}"}) {
        CAPTURE(text);
        CHECK(template_error({text}) == "");
    }
    CHECK(template_error({"awk", "{print}"}, {.no_shell = true}).empty());
}

TEST_CASE("the display is what one would type") {
    CHECK(made({"wc", "-l", "{}"}).display(Words{"a b"}, 1) == "wc -l 'a b'");
    CHECK(made({"wc", "-l", "{}"}).display(Words{"a.txt"}, 1) == "wc -l a.txt");
    CHECK(made({"wc -l < {}"}).display(Words{"a b"}, 1) == "wc -l < 'a b'");
    CHECK(made({"a;b", "{}"}, {.no_shell = true}).display(Words{""}, 1) == "'a;b' ''");
}
