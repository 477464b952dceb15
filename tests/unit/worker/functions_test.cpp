// Typed handlers, the table of functions, and the worker's small things about text.
#include <doctest/doctest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "shared/base/text.hpp"
#include "shared/wire/codec.hpp"
#include "tests/support/executor_harness.hpp"
#include "worker/abilities.hpp"
#include "worker/core/text.hpp"
#include "worker/handlers/functions.hpp"

namespace typed {

struct Counts {
    std::map<std::string, std::uint64_t> words;
    bool last = false;
    MSGPACK_DEFINE(words, last)
};

}  // namespace typed

namespace fanfold::worker {

using namespace testing;

namespace {

/// What a handler makes of one payload, or the message of what it throws.
template <class Handler>
std::string called(Handler handler, const std::string& payload) {
    Context context({.job = "job", .index = 5, .attempt = 2});
    std::string out;
    try {
        fanfold::detail::make_raw(std::move(handler))(context, payload, out);
    } catch (const std::exception& error) {
        return std::string("error: ") + error.what();
    }
    return out;
}

}  // namespace

TEST_CASE("typed handlers: payloads and values are converted") {
    CHECK(called([](std::string_view text) { return text.size(); }, wire::pack_text("four")) ==
          packed(4));
    CHECK(called([](std::string_view text) { return text.size(); }, wire::pack_bytes("bytes")) ==
          packed(5));
    CHECK(called([](const std::string& text) { return text + "!"; }, wire::pack_text("a")) ==
          packed("a!"));
    CHECK(called([](int number) { return number * 2.5; }, packed(3)) == packed(7.5));
    CHECK(called([](std::uint64_t number) { return number; }, packed(1ULL << 60)) ==
          packed(1ULL << 60));
    CHECK(called([](double number) { return number > 1; }, packed(1.5)) == packed(true));
    CHECK(called([](std::vector<int> list) { return list.at(1); },
                 packed(std::vector<int>{7, 8})) == packed(8));
    CHECK(called([](std::tuple<int, std::string> both) { return std::get<1>(both); },
                 packed(std::tuple(1, "x"))) == packed("x"));
    CHECK(called([](const std::map<std::string, int>& map) { return map; },
                 packed(std::map<std::string, int>{{"a", 1}})) ==
          packed(std::map<std::string, int>{{"a", 1}}));
    CHECK(called([](msgpack::object object) { return object.via.array.size; },
                 packed(std::vector<int>(5))) == packed(5));
    CHECK(called([](int) {}, packed(1)) == packed(msgpack::type::nil_t()));
    auto counts = [](std::string_view text) {
        return typed::Counts{.words = {{std::string(text), 1}}, .last = true};
    };
    std::string value = called(counts, wire::pack_text("word"));
    CHECK(called([](const typed::Counts& given) { return given.words.begin()->first; }, value) ==
          packed("word"));
    auto where = [](Context& context, int) {
        return context.job() + std::to_string(context.index()) + std::to_string(context.attempt());
    };
    CHECK(called(where, packed(1)) == packed("job52"));
    CHECK(called(std::function<int(int)>([](int number) { return -number; }), packed(4)) ==
          packed(-4));
}

TEST_CASE("typed handlers: a payload that does not fit is named") {
    CHECK(called([](int number) { return number; }, wire::pack_text("x")).find("it is text") !=
          std::string::npos);
    CHECK(called([](int number) { return number; }, packed(1.5)).find("it is a number") !=
          std::string::npos);
    CHECK(called([](std::uint8_t number) { return number; }, packed(300))
              .starts_with("error: the payload does not fit"));
    CHECK(
        called([](std::string_view text) { return text; }, std::string("\xc0")).find("it is nil") !=
        std::string::npos);
    CHECK(called([](std::tuple<int, int> both) { return std::get<0>(both); },
                 packed(std::vector<std::string>{"a", "b"}))
              .find("it is an array") != std::string::npos);
    std::string deep(fanfold::detail::value_depth + 10, '\x91');
    CHECK(called([](msgpack::object) {}, deep + '\xc0')
              .starts_with("error: the payload can't be read"));
}

TEST_CASE("function table: names") {
    FunctionTable table;
    auto handler = [](Context&, std::string_view, std::string&) {};
    table.add_handler("count", handler);
    table.add_command("wc", "wc -w");
    CHECK(table.runs_commands());
    table.allow_exec();
    CHECK(table.names() == std::vector<std::string>{"count", "fanfold.echo", "fanfold.exec",
                                                    "fanfold.fail", "fanfold.sleep", "wc"});
    CHECK_THROWS_WITH_AS(table.add_handler("wc", handler),
                         "function name 'wc' is declared twice; a name stands for one function",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(table.add_handler("fanfold.mine", handler),
                         "function name 'fanfold.mine' begins with 'fanfold.', which is reserved "
                         "for built-in functions; choose another",
                         std::invalid_argument);
    CHECK_THROWS_AS(table.add_handler("", handler), std::invalid_argument);
    CHECK_THROWS_AS(table.add_handler("two words", handler), std::invalid_argument);
    CHECK_THROWS_AS(table.add_handler(std::string(201, 'n'), handler), std::invalid_argument);
    CHECK_THROWS_AS(table.add_handler("nothing", RawHandler()), std::invalid_argument);
    CHECK_THROWS_AS(table.add_command("empty", " "), std::invalid_argument);
    CHECK(table.find("nobody") == nullptr);
    CHECK_FALSE(FunctionTable().runs_commands());
    Worker worker({.broker = "tcp://127.0.0.1:1"});
    worker.function("a", [](int number) { return number; }).command("b", "true");
    CHECK_THROWS_AS(worker.function("a", [](int number) { return number; }), std::invalid_argument);
}

TEST_CASE("function table: idempotent functions") {
    FunctionTable table;
    table.add_command("wc", "wc -w");
    CHECK(table.idempotent() == std::vector<std::string>{"fanfold.echo", "fanfold.sleep"});
    table.declare_idempotent("wc");
    CHECK(table.idempotent() == std::vector<std::string>{"fanfold.echo", "fanfold.sleep", "wc"});
    CHECK_THROWS_WITH_AS(table.declare_idempotent("fanfold.exec"),
                         "function 'fanfold.exec' is not offered, so it can't be idempotent; this "
                         "worker offers fanfold.echo, "
                         "fanfold.fail, fanfold.sleep, wc",
                         std::invalid_argument);
    table.allow_exec();
    table.declare_idempotent("fanfold.exec");
    CHECK(table.idempotent().size() == 4);
}

TEST_CASE("abilities: labels and resources") {
    Abilities abilities;
    abilities.add_label("gpu");
    abilities.add_label("gpu");
    abilities.add_label("zone a");
    CHECK(abilities.labels() == std::vector<std::string>{"gpu", "zone a"});
    abilities.add_resource("mem=16G");
    abilities.add_resource("licences=2");
    abilities.add_resource("disk", 7);
    CHECK(abilities.resources() == std::vector<wire::Resource>{{"mem", std::uint64_t{16} << 30},
                                                               {"licences", 2},
                                                               {"disk", 7}});
    CHECK_THROWS_WITH_AS(abilities.add_label(""), "label '' is empty; give it a name, such as gpu",
                         std::invalid_argument);
    CHECK_THROWS_AS(abilities.add_label(std::string(201, 'l')), std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        abilities.add_resource("mem=1G"),
        "resource 'mem' is given twice; name it once, with all that there is of it",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(abilities.add_resource("cores"),
                         "resource 'cores' has no amount that can be read; write it as "
                         "NAME=AMOUNT, with 2, 512M or 16G",
                         std::invalid_argument);
    CHECK_THROWS_AS(abilities.add_resource("cores=many"), std::invalid_argument);
    CHECK_THROWS_AS(abilities.add_resource("=1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(abilities.add_resource("cores=0"),
                         "resource 'cores' has the amount 0; give it more, or leave it out",
                         std::invalid_argument);
    for (std::size_t i = abilities.labels().size(); i < limits::labels; ++i)
        abilities.add_label("label " + std::to_string(i));
    CHECK_THROWS_WITH_AS(abilities.add_label("one more"),
                         "a worker has 100 labels at most; leave some out", std::invalid_argument);
    for (std::size_t i = abilities.resources().size(); i < limits::labels; ++i)
        abilities.add_resource("r" + std::to_string(i), 1);
    CHECK_THROWS_AS(abilities.add_resource("one more", 1), std::invalid_argument);
    CHECK_THROWS_AS(Worker({.broker = "tcp://127.0.0.1:1", .labels = {""}}), std::invalid_argument);
    Worker worker({.broker = "tcp://127.0.0.1:1", .labels = {"gpu"}, .resources = {{"mem", 5}}});
    worker.function("a", [](int number) { return number; }, {.idempotent = true})
        .command("b", "true", {.idempotent = true});
}

TEST_CASE("text") {
    CHECK(is_utf8(""));
    CHECK(is_utf8("plain, Größe, 漢字, 😀"));
    CHECK_FALSE(is_utf8("\x80"));
    CHECK_FALSE(is_utf8("\xc0\xaf"));          // overlong
    CHECK_FALSE(is_utf8("\xed\xa0\x80"));      // a surrogate
    CHECK_FALSE(is_utf8("\xf4\x90\x80\x80"));  // past the last character
    CHECK_FALSE(is_utf8("cut \xe6\xbc"));
    CHECK(cut_between_characters("Größe", 3) == "Gr");
    CHECK(cut_between_characters("Größe", 4) == "Grö");
    CHECK(tail("Größe\n\n", 3) == "ße" + std::string());
    CHECK(tail("Größe", 2) == "e");
}

}  // namespace fanfold::worker
