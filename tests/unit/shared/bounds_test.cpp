// Each text of each message at its limit, and past it; and the largest messages that are made of
// what came in.
#include <doctest/doctest.h>

#include <functional>

#include "shared/base/limits.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/fields.hpp"

using namespace fanfold;
using namespace fanfold::wire;

namespace {
using Visit = std::function<void(std::string&, const Bound&)>;

/// Calls `visit` for each text in the value, which gets one element in each list.
template <class T>
void visit_texts(T& value, const Bound& bound, const Visit& visit) {
    if constexpr (std::is_same_v<T, std::string>) {
        visit(value, bound);
    } else if constexpr (std::is_same_v<T, PeerId>) {
        visit(value.bytes, bound);
    } else if constexpr (std::is_same_v<T, Range>) {
        value = {1, 2};
    } else if constexpr (fields::is_list<T>) {
        visit_texts(value.emplace_back(), bound, visit);
    } else if constexpr (fields::HasFields<T>) {
        auto all = T::fields(value);
        [&]<std::size_t... i>(std::index_sequence<i...>) {
            (visit_texts(std::get<i>(all), fields::bound_of<T, i>(), visit), ...);
        }
        (std::make_index_sequence<fields::field_count<T>>());
    } else if constexpr (requires { value.emplace(); }) {
        visit_texts(value.emplace(), bound, visit);
    }
}

/// A message whose text number `chosen` is as long as its limit and `more`; and that limit.
template <class T>
std::optional<Bound> with_text(T& message, int chosen, std::size_t more) {
    std::optional<Bound> found;
    int number = 0;
    visit_texts(message, {}, [&](std::string& text, const Bound& bound) {
        if (number++ != chosen) return;
        found = bound;
        text.assign(bound.bytes + more, 'x');
    });
    return found;
}

template <class T>
void check_each_text() {
    for (int chosen = 0;; ++chosen) {
        T message;
        auto bound = with_text(message, chosen, 0);
        if (!bound) return;
        CAPTURE(name_of(message));
        CAPTURE(bound->field);
        REQUIRE(bound->bytes > 0);
        const std::string header = encode(message);
        CHECK(header.size() < limits::header_bytes);
        auto whole = decode(header);
        REQUIRE_MESSAGE(whole.has_value(), whole.error().text);
        CHECK(encode(*whole) == header);

        T longer;
        with_text(longer, chosen, 1);
        auto cut = decode(encode(longer));
        CHECK(cut.has_value() == (bound->rule == Bound::Rule::cut));
        if (cut) CHECK(encode(*cut) == header);
        else CHECK(cut.error().text.find(bound->field) != std::string::npos);
    }
}
template <class... T>
void check_each_text_of(const std::variant<T...>*) {
    (check_each_text<T>(), ...);
}

GathererRef largest_gatherer() {
    return {.name = std::string(limits::name_bytes, 'n'),
            .epoch = {~0ull, ~0ull},
            .results = std::vector<std::string>(limits::endpoints,
                                                std::string(limits::endpoint_bytes, 'e')),
            .collect = std::vector<std::string>(limits::endpoints,
                                                std::string(limits::endpoint_bytes, 'e')),
            .public_key = std::string(limits::public_key_bytes, 'k')};
}
/// As large as the broker takes one: all texts together count.
JobSpec largest_spec() {
    return {.function = std::string(limits::name_bytes, 'f'),
            .owner = {std::string(limits::routing_id_bytes, 'o')},
            .environment = std::vector<std::string>(limits::names_bytes / 32, "FIFTEEN=LETTERS"),
            .key = std::string(limits::key_bytes, 'k'),
            .outer =
                std::vector<OuterAttempt>(limits::nesting_depth, {.index = ~0ull, .attempt = ~0u})};
}
std::vector<Missing> largest_missing() {
    std::vector<Range> ranges;
    for (Index i = 0; i < limits::missing_ranges; ++i)
        ranges.push_back({~0ull - 2 * (limits::missing_ranges - i),
                          ~0ull - 2 * (limits::missing_ranges - i) + 1});
    return std::vector<Missing>(limits::missing_reasons,
                                {.reason = std::string(limits::name_bytes, 'r'), .ranges = ranges});
}

template <class T>
void fits(const T& message) {
    const std::string header = encode(message);
    CAPTURE(name_of(message));
    CHECK(header.size() <= limits::header_bytes);
    auto read = decode(header);
    REQUIRE_MESSAGE(read.has_value(), read.error().text);
    CHECK(encode(*read) == header);
}
}  // namespace

TEST_CASE("each text of each message is read at its limit, and past it cut or refused") {
    check_each_text_of(static_cast<const Message*>(nullptr));
}

TEST_CASE("the largest messages that are made of what came in are read") {
    const std::string reason(limits::reason_bytes, 'r');
    fits(Welcome{.blocks = std::vector<std::string>(limits::endpoints,
                                                    std::string(limits::endpoint_bytes, 'e')),
                 .gatherers = std::vector<GathererRef>(limits::gatherers, largest_gatherer())});
    fits(Report{.gatherers = std::vector<GathererRef>(limits::gatherers, largest_gatherer())});
    fits(AllowedKeys{std::vector<AllowedKey>(
        limits::allowed_keys, {.public_key = std::string(limits::public_key_bytes, 'k'),
                               .user = std::string(limits::name_bytes, 'u'),
                               .roles = 255})});
    fits(Ended{.reason = reason, .total = ~0ull, .missing = largest_missing()});
    fits(Concluded{.reason = reason, .total = ~0ull, .missing = largest_missing()});
    fits(Dispatch{.brief = JobBrief{.spec = largest_spec(), .gatherer = largest_gatherer()}});
    fits(Found{.job = JobId{}, .spec = largest_spec(), .digest = std::string(16, 'd')});
    fits(Assign{.spec = largest_spec(), .user = std::string(limits::name_bytes, 'u')});
    fits(Block{.cuts = std::string(limits::cuts_bytes, 'c'), .spec = largest_spec()});
    fits(
        Gathered{.ranges = std::vector<Range>(limits::listed_ranges, Range{~0ull - 2, ~0ull - 1})});
}

namespace {
template <class T>
std::string why_refused(const T& message) {
    auto decoded = decode(encode(message));
    return decoded ? "" : decoded.error().text;
}
}  // namespace

TEST_CASE("a text or a list past its limit makes a message none, and is named with its limit") {
    const std::string longest(limits::name_bytes, 'n');
    CHECK(why_refused(Hello{.name = longest}) == "");
    CHECK(why_refused(Hello{.name = longest + "n"}) ==
          "Hello: name has 256 bytes, 255 is the most");
    CHECK(why_refused(Hello{.functions = {"f", longest + "n"}}) ==
          "Hello: functions has 256 bytes, 255 is the most");
    CHECK(why_refused(Hello{.gatherer = {.results = std::vector<std::string>(17, "e")}}) ==
          "Hello: results has 17 entries, 16 is the most");
    CHECK(why_refused(Block{.spec = JobSpec{.owner = {longest + "n"}}}) ==
          "Block: owner has 256 bytes, 255 is the most");
    CHECK(why_refused(Block{.spec = JobSpec{.title = std::string(limits::names_bytes, 't')}}) ==
          "");
    CHECK(why_refused(Block{.digest = std::string(16, 'd')}) == "");
    CHECK(why_refused(Block{.digest = std::string(15, 'd')}) ==
          "Block: digest has 15 bytes, 16 is what it has, or none");
    CHECK(why_refused(Gathered{.ranges = std::vector<Range>(limits::listed_ranges + 1, {1, 2})}) ==
          "Gathered: ranges has 200001 entries, 200000 is the most");
}

TEST_CASE("texts for people are cut by their sender, between two characters") {
    const std::string umlauts = "x" + [] {
        std::string text;
        for (std::size_t i = 0; i < limits::reason_bytes; ++i) text += "ü";
        return text;
    }();
    auto cancel = decode(encode(Cancel{.reason = umlauts}));
    REQUIRE(cancel);
    CHECK(std::get<Cancel>(*cancel).reason == umlauts.substr(0, limits::reason_bytes - 1));
    CHECK(why_refused(Refused{.text = std::string(10'000, 'r')}) == "");
    // A peer that does not: the message is refused.
    std::string header = "\x92\x05";
    append_bytes(header, std::string(limits::reason_bytes + 1, 'r'));
    auto refused = decode(header);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text == "Bye: reason has 4097 bytes, 4096 is the most");
}
