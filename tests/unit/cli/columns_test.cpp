// Inputs as rows of columns: --colsep, --csv, --trim, --header; and several of them in a record.
#include <doctest/doctest.h>

#include "tests/support/input_rows.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;

TEST_CASE("--colsep cuts inputs into columns without the blanks around them") {
    CHECK(lines_of("a,b\nc,d,e\n\n", {.colsep = ","}) == Rows{{"a", "b"}, {"c", "d", "e"}, {""}});
    CHECK(lines_of("a , b,,\n,x\n", {.colsep = ","}) == Rows{{"a", "b", "", ""}, {"", "x"}});
    CHECK(lines_of("a\tb c\n", {.colsep = "\\t"}) == Rows{{"a", "b c"}});
    CHECK(lines_of("a\tb \t c\n", {.colsep = "[\\t ]+"}) == Rows{{"a", "b", "c"}});
    CHECK(lines_of("a1b22c\n", {.colsep = "\\d+"}) == Rows{{"a", "b", "c"}});
    CHECK(lines_of("a  b\tc\n", {.colsep = "\\s+"}) == Rows{{"a", "b", "c"}});
    CHECK(lines_of("a b,c\n", {.colsep = "[\\s,]"}) == Rows{{"a", "b", "c"}});
    CHECK(lines_of("a|b.c\n", {.colsep = "\\|"}) == Rows{{"a", "b.c"}});
    CHECK(lines_of("a|b.c\n", {.colsep = "[|.]"}) == Rows{{"a", "b", "c"}});
    CHECK(lines_of("a::b\n", {.colsep = "::"}) == Rows{{"a", "b"}});
    CHECK(lines_of("xaxb\n", {.colsep = "^x"}) == Rows{{"", "axb"}});
    CHECK(rows_of({":::", "a,b", "c,d", ":::", "1", "2"}, {.colsep = ","}) ==
          Rows{{"a", "b", "1"}, {"a", "b", "2"}, {"c", "d", "1"}, {"c", "d", "2"}});
    CHECK(contains(error_of({":::", "a"}, {.colsep = "("}), "bad --colsep '('"));
    CHECK(contains(error_of({":::", "a"}, {.colsep = "|"}), "matches an empty text"));
    CHECK(contains(error_of({":::", "a"}, {.colsep = ",*"}), "bad --colsep ',*'"));
}

TEST_CASE("--csv: columns may hold the separator, line ends and double quotes") {
    CHECK(lines_of("a,\"b,c\",d\n", {.csv = true}) == Rows{{"a", "b,c", "d"}});
    CHECK(lines_of("\"say \"\"hi\"\"\",x\n", {.csv = true}) == Rows{{"say \"hi\"", "x"}});
    CHECK(lines_of("\"two\nlines\",x\ny,z\n", {.csv = true}) ==
          Rows{{"two\nlines", "x"}, {"y", "z"}});
    CHECK(lines_of("a;b,c\n", {.colsep = ";", .csv = true}) == Rows{{"a", "b,c"}});
    CHECK(lines_of(" a ,b\n", {.csv = true}) == Rows{{" a ", "b"}});
    CHECK(lines_of(",\n", {.csv = true}) == Rows{{"", ""}});
    CHECK(lines_of("5\" disk,x\"\n", {.csv = true}) == Rows{{"5\" disk", "x\""}});
    CHECK(contains(error_of({":::", "a"}, {.colsep = "ab", .csv = true}), "one character"));
    Pipe pipe("\"a\nb");
    SourceOptions options{.csv = true, .standard_input = pipe.reading_end()};
    Result<Inputs> inputs = Inputs::open({}, options);
    REQUIRE(inputs);
    Record record;
    const Result<bool> more = inputs->next(record);
    REQUIRE_FALSE(more);
    CHECK(contains(more.error().text, "a double quote is not closed"));
}

TEST_CASE("--trim takes blanks off where it says") {
    auto with = [](bool left, bool right) { return SourceOptions{.trim = Trim{left, right}}; };
    CHECK(lines_of(" a\t\n", with(false, false)) == Rows{{" a\t"}});
    CHECK(lines_of(" a\t\n", with(true, false)) == Rows{{"a\t"}});
    CHECK(lines_of(" a\t\n", with(false, true)) == Rows{{" a"}});
    CHECK(lines_of(" \t\n", with(true, true)) == Rows{{""}});
    CHECK(lines_of("a , b\n", {.colsep = ",", .trim = Trim{}}) == Rows{{"a ", " b"}});
}

TEST_CASE("--header: the first input of each source names its columns") {
    auto named = [](const Words& words, SourceOptions options) {
        options.header = true;
        Result<Inputs> inputs = Inputs::open(part_command(words).sources, options);
        REQUIRE(inputs);
        const Columns names = inputs->names();
        return std::pair(names, all(*inputs));
    };
    const auto crossed = named({":::", "x", "1", "2", ":::", "y", "a", "b"}, {});
    CHECK(crossed.first == Words{"x", "y"});
    CHECK(crossed.second == Rows{{"1", "a"}, {"1", "b"}, {"2", "a"}, {"2", "b"}});
    Folder folder;
    const std::string table = folder.file("1", "name,age\nann,3\nbob,4\n");
    const auto crossed_table = named({":::", "n", "1", "2", "::::", table}, {.colsep = ","});
    CHECK(crossed_table.first == Words{"n", "name", "age"});
    CHECK(crossed_table.second ==
          Rows{{"1", "ann", "3"}, {"1", "bob", "4"}, {"2", "ann", "3"}, {"2", "bob", "4"}});
    CHECK(named({":::", "x", "1", ":::+", "y", "2"}, {}).second == Rows{{"1", "2"}});
    CHECK(named({":::", "x"}, {}).second.empty());
    CHECK(contains(error_of({":::"}, {.header = true}), "no first line"));
}

TEST_CASE("--skip-first-line leaves out a line of each file") {
    Folder folder;
    const std::string one = folder.file("1", "head\na\nb\n");
    const SourceOptions skipping{.skip_first = true};
    CHECK(rows_of({"::::", one}, skipping) == Rows{{"a"}, {"b"}});
    CHECK(rows_of({":::", "x", "y", "::::", one}, skipping) ==
          Rows{{"x", "a"}, {"x", "b"}, {"y", "a"}, {"y", "b"}});
    CHECK(lines_of("", skipping).empty());
}

TEST_CASE("as many inputs to a record as fit, and the rest shared out") {
    CHECK(rows_of({":::", "a", "bb", "c"}, {.pack = {.most = 5}}) == Rows{{"a", "bb"}, {"c"}});
    CHECK(rows_of({":::", "too long by far", "c"}, {.pack = {.most = 5}}) ==
          Rows{{"too long by far"}, {"c"}});
    CHECK(rows_of({":::"}, {.pack = {.most = 5}}).empty());
    CHECK(rows_of({}, {.array = "1-7", .pack = {.most = 100, .slots = 4}}) ==
          Rows{{"1", "2"}, {"3", "4"}, {"5", "6"}, {"7"}});
    CHECK(rows_of({}, {.array = "1-2", .pack = {.most = 100, .slots = 4}}) == Rows{{"1"}, {"2"}});
    // Once all slots have a full one, nothing is held back for a fair share.
    const Rows many = rows_of({}, {.array = "1-100", .pack = {.most = 9, .slots = 2}});
    CHECK(many.front() == Words{"1", "2", "3", "4"});
    std::size_t inputs = 0;
    for (const Words& row : many) inputs += row.size();
    CHECK(inputs == 100);
    CHECK(rows_of({":::", "it's", "b"}, {.pack = {.most = 11}}).size() == 2);
}
