#include "scatterer/cli/input/inputs.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/input_rows.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;

TEST_CASE("a command is parted from its sources") {
    CommandWords parted =
        part_command({"wc", "-l", ":::", "a", "b", ":::+", "c", "::::", "f", "::::+", "g", ":::"});
    CHECK(parted.command == Words{"wc", "-l"});
    REQUIRE(parted.sources.size() == 5);
    CHECK(parted.sources[0].words == Words{"a", "b"});
    CHECK(!parted.sources[0].linked);
    CHECK(parted.sources[1].linked);
    CHECK(parted.sources[2].kind == SourceWords::Kind::files);
    CHECK(parted.sources[3].linked);
    CHECK(parted.sources[3].kind == SourceWords::Kind::files);
    CHECK(parted.sources[4].words.empty());
    CHECK(part_command({"echo", "::", ":::::", "a:::"}).sources.empty());
}

TEST_CASE("arguments: crossed with the last varying fastest, linked up to the shortest") {
    CHECK(rows_of({":::", "a", "b"}) == Rows{{"a"}, {"b"}});
    CHECK(rows_of({":::", "a", "b", ":::", "1", "2"}) ==
          Rows{{"a", "1"}, {"a", "2"}, {"b", "1"}, {"b", "2"}});
    CHECK(rows_of({":::", "a", "b", ":::+", "1", "2", ":::", "X", "Y"}) ==
          Rows{{"a", "1", "X"}, {"a", "1", "Y"}, {"b", "2", "X"}, {"b", "2", "Y"}});
    CHECK(rows_of({":::", "X", "Y", ":::", "a", "b", ":::+", "1", "2", "3"}) ==
          Rows{{"X", "a", "1"}, {"X", "b", "2"}, {"Y", "a", "1"}, {"Y", "b", "2"}});
    CHECK(rows_of({":::", "a", "b", "c", ":::+", "1", "2"}) == Rows{{"a", "1"}, {"b", "2"}});
    CHECK(rows_of({":::", "a", ":::+", "1", ":::+", "p"}) == Rows{{"a", "1", "p"}});
    CHECK(rows_of({":::", "", "a b", "l\nm"}) == Rows{{""}, {"a b"}, {"l\nm"}});
    CHECK(rows_of({":::"}).empty());
    CHECK(rows_of({":::", "a", ":::"}).empty());
    CHECK(rows_of({":::", ":::", "a"}).empty());
}

TEST_CASE("files: each is a source of its own, lines as they are") {
    Folder folder;
    std::string first = folder.file("1", "a\nb\n");
    std::string second = folder.file("2", "x\ny");
    std::string empty = folder.file("3", "");
    CHECK(rows_of({"::::", first}) == Rows{{"a"}, {"b"}});
    CHECK(rows_of({"::::", first, second}) == Rows{{"a", "x"}, {"a", "y"}, {"b", "x"}, {"b", "y"}});
    CHECK(rows_of({"::::", first, "::::+", second}) == Rows{{"a", "x"}, {"b", "y"}});
    CHECK(rows_of({":::", "p", "q", "::::+", first, second}) ==
          Rows{{"p", "a", "x"}, {"q", "b", "y"}});
    CHECK(rows_of({":::", "1", "2", "3", "::::", first}).size() == 6);
    CHECK(rows_of({"::::", first, empty}).empty());
    CHECK(rows_of({":::", "A"}, {.files = {first, second}}) ==
          Rows{{"a", "x", "A"}, {"a", "y", "A"}, {"b", "x", "A"}, {"b", "y", "A"}});
    CHECK(rows_of({":::+", "A", "B"}, {.files = {first}}) == Rows{{"a", "A"}, {"b", "B"}});
    CHECK(rows_of({":::", "1", "2", ":::", "X", "Y", "::::+", first}) ==
          Rows{{"1", "X", "a"}, {"1", "Y", "b"}, {"2", "X", "a"}, {"2", "Y", "b"}});
    Pipe pipe("s\nt\n");
    CHECK(rows_of({":::", "1", "2", "::::", "-"}, {.standard_input = pipe.reading_end()}) ==
          Rows{{"1", "s"}, {"1", "t"}, {"2", "s"}, {"2", "t"}});
}

TEST_CASE("standard input: lines, empty ones too, a last one without end, CR kept, NUL with -0") {
    CHECK(lines_of("").empty());
    CHECK(lines_of("\n") == Rows{{""}});
    CHECK(lines_of("a\n\nb") == Rows{{"a"}, {""}, {"b"}});
    CHECK(lines_of("a\r\nb\r\n") == Rows{{"a\r"}, {"b\r"}});
    CHECK(lines_of(std::string("a b\nc\0d\0", 8), {.separator = '\0'}) == Rows{{"a b\nc"}, {"d"}});
    CHECK(lines_of(std::string("a\0b\n", 4)) == Rows{{std::string("a\0b", 3)}});
}

TEST_CASE("--array lists numbers, last ones included") {
    auto numbers = [](const char* text) { return rows_of({}, {.array = text}); };
    CHECK(numbers("1-3") == Rows{{"1"}, {"2"}, {"3"}});
    CHECK(numbers("1-6:2") == Rows{{"1"}, {"3"}, {"5"}});
    CHECK(numbers("1-3,7") == Rows{{"1"}, {"2"}, {"3"}, {"7"}});
    CHECK(numbers("5") == Rows{{"5"}});
    CHECK(numbers("0-0") == Rows{{"0"}});
    CHECK(numbers("10-20:100,3") == Rows{{"10"}, {"3"}});
    for (const char* text : {"-", "1-", "3-1", "1-5:0", "1-5:", "a", "1,", ",1", "1 -2", "1-2x",
                             "-1", "1-18446744073709551615", "1--3"}) {
        CAPTURE(text);
        CHECK(contains(error_of({}, {.array = text}), std::string("bad --array '") + text + "'"));
    }
    Result<Inputs> large = Inputs::open({}, {.array = "1-1000000000000"});
    REQUIRE(large);
    CHECK(large->count() == 1'000'000'000'000);
    Record record;
    CHECK(large->next(record).value());
    CHECK(contains(error_of({":::", "a"}, {.array = "1-3"}), "--array"));
}

TEST_CASE("-n puts several inputs into a record, flat; the last may have fewer") {
    CHECK(rows_of({":::", "a", "b", "c"}, {.per_fragment = 2}) == Rows{{"a", "b"}, {"c"}});
    CHECK(rows_of({":::", "a", "b"}, {.per_fragment = 2}) == Rows{{"a", "b"}});
    CHECK(rows_of({":::", "a", "b", ":::", "c", "d"}, {.per_fragment = 3}) ==
          Rows{{"a", "c", "a", "d", "b", "c"}, {"b", "d"}});
    CHECK(lines_of("1,2\n3,4\n5,6\n", {.colsep = ",", .per_fragment = 2}) ==
          Rows{{"1", "2", "3", "4"}, {"5", "6"}});
    CHECK(rows_of({":::"}, {.per_fragment = 2}).empty());
    CHECK(contains(error_of({":::", "a"}, {.per_fragment = 0}), "-n 0"));
}

TEST_CASE("--shuf gives all inputs in an order that the seed decides") {
    Rows plain = rows_of({}, {.array = "1-1000"});
    Rows once = rows_of({}, {.array = "1-1000", .shuffle_seed = 7});
    CHECK(once != plain);
    CHECK(once == rows_of({}, {.array = "1-1000", .shuffle_seed = 7}));
    CHECK(once != rows_of({}, {.array = "1-1000", .shuffle_seed = 8}));
    std::sort(once.begin(), once.end());
    std::sort(plain.begin(), plain.end());
    CHECK(once == plain);
    CHECK(rows_of({":::", "a", "b", ":::", "c"}, {.per_fragment = 9, .shuffle_seed = 1}).size() ==
          1);
}

TEST_CASE("the count is known before reading where it can be") {
    auto count = [](const Words& words, SourceOptions options = {}) {
        Result<Inputs> inputs = Inputs::open(part_command(words).sources, options);
        REQUIRE(inputs);
        return inputs->count();
    };
    CHECK(count({":::", "a", "b", "c", ":::", "1", "2"}) == 6);
    CHECK(count({":::", "a", "b", "c", ":::+", "1", "2"}) == 2);
    CHECK(count({":::", "a", "b", "c"}, {.per_fragment = 2}) == 2);
    CHECK(count({":::"}) == 0);
    CHECK(count({}, {.array = "1-100:2"}) == 50);
    CHECK(count({"::::", "/dev/null"}) == std::nullopt);
}

TEST_CASE("wrong sources are refused with the name and the reason") {
    Folder folder;
    CHECK(contains(error_of({"::::", "/does/not/exist"}), "'/does/not/exist': No such file"));
    CHECK(contains(error_of({}, {.files = {"/does/not/exist"}}), "No such file"));
    CHECK(contains(error_of({"::::", folder.path()}), "it is a folder"));
    CHECK(contains(error_of({"::::"}), "no file is named"));
    CHECK(contains(error_of({":::+", "a"}), ":::+ links with the source before it"));
    CHECK(contains(error_of({"::::+", "/dev/null"}), "::::+ links"));
    CHECK(contains(error_of({"::::", "-", "-"}), "one source only"));
    CHECK(contains(error_of({"::::", "-"}, {.files = {"-"}}), "one source only"));
    Result<Inputs> closed = Inputs::open({}, {.standard_input = 1'000'000});
    REQUIRE(closed);
    CHECK(!closed->would_block());
    Record record;
    Result<bool> more = closed->next(record);
    REQUIRE(!more);
    CHECK(contains(more.error().text, "standard input"));
}

TEST_CASE("plain inputs come as views, through any buffer end") {
    std::string content;
    Words expected;
    for (int i = 0; i < 200'000; ++i) {
        expected.push_back("line " + std::to_string(i) +
                           std::string(i % 977 == 0 ? 5'000 : 0, 'x'));
        content += expected.back() + '\n';
    }
    expected.push_back(std::string(3'000'000, 'z'));
    content += expected.back();
    Folder folder;
    Result<Inputs> inputs = Inputs::open({}, {.files = {folder.file("lines", content)}});
    REQUIRE(inputs);
    REQUIRE(inputs->plain());
    std::string_view value;
    for (const std::string& line : expected) {
        REQUIRE(!inputs->would_block());
        REQUIRE(inputs->next_plain(value).value());
        REQUIRE(value == line);
    }
    CHECK(!inputs->next_plain(value).value());
    CHECK(!inputs->next_plain(value).value());
    Result<Inputs> columns = Inputs::open({}, {.files = {"/dev/null"}, .colsep = ","});
    CHECK(!columns->plain());
}

TEST_CASE("an input that waits is told, and what has come is not held back") {
    Pipe pipe("", false);
    SUBCASE("line by line") {
        Inputs inputs = std::move(*Inputs::open({}, {.standard_input = pipe.reading_end()}));
        Record record;
        CHECK(inputs.would_block());
        CHECK(inputs.waits_for() == pipe.reading_end());
        pipe.write("a\nb");
        CHECK(!inputs.would_block());
        CHECK(inputs.waits_for() == -1);
        CHECK(inputs.next(record).value());
        CHECK(inputs.would_block());
        pipe.write("c\n");
        CHECK(!inputs.would_block());
        CHECK(inputs.next(record).value());
        CHECK(record.columns == Words{"bc"});
        pipe.end();
        CHECK(!inputs.would_block());
        CHECK(!inputs.next(record).value());
    }
    SUBCASE("several inputs to a record") {
        Inputs inputs =
            std::move(*Inputs::open({}, {.per_fragment = 2, .standard_input = pipe.reading_end()}));
        Record record;
        pipe.write("a\n");
        CHECK(inputs.would_block());
        pipe.write("b\nc\n");
        CHECK(!inputs.would_block());
        CHECK(inputs.next(record).value());
        CHECK(record.columns == Words{"a", "b"});
        CHECK(inputs.would_block());
        pipe.end();
        CHECK(!inputs.would_block());
        CHECK(inputs.next(record).value());
        CHECK(record.columns == Words{"c"});
        CHECK(!inputs.next(record).value());
    }
    SUBCASE("the first of two sources") {
        Inputs inputs =
            std::move(*Inputs::open(part_command({"::::", "-", ":::", "1", "2"}).sources,
                                    {.standard_input = pipe.reading_end()}));
        Record record;
        CHECK(inputs.would_block());
        pipe.write("a\n");
        for (const char* second : {"1", "2"}) {
            CHECK(!inputs.would_block());
            CHECK(inputs.next(record).value());
            CHECK(record.columns == Words{"a", second});
        }
        CHECK(inputs.would_block());
        pipe.end();
        CHECK(!inputs.would_block());
        CHECK(!inputs.next(record).value());
    }
}
