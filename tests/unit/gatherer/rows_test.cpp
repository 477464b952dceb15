// Whatever a peer may send, the row made from it can be read back, and each message made from that
// is one that its receiver reads.
#include <doctest/doctest.h>

#include "shared/wire/fields.hpp"
#include "tests/support/gatherer_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

/// Calls `take(text, most_bytes)` for each text in the value. A list gets one element.
template <class T, class Take>
void each_text(T& value, const wire::Bound& bound, Take& take) {
    if constexpr (std::is_same_v<T, std::string>) {
        take(value, bound.bytes);
    } else if constexpr (std::is_same_v<T, PeerId>) {
        take(value.bytes, bound.bytes);
    } else if constexpr (std::is_same_v<T, std::vector<Range>>) {
        return;
    } else if constexpr (wire::fields::is_list<T>) {
        if (value.empty()) value.emplace_back();
        for (auto& element : value) each_text(element, bound, take);
    } else if constexpr (wire::fields::HasFields<T>) {
        [&]<std::size_t... i>(std::index_sequence<i...>) {
            auto fields = T::fields(value);
            (each_text(std::get<i>(fields), wire::fields::bound_of<T, i>(), take), ...);
        }
        (std::make_index_sequence<wire::fields::field_count<T>>());
    }
}

/// A job of three fragments: one has a value, one fails, one the broker never started.
struct Scenario {
    wire::Assign assign{.job = job_number(1), .assignment = 1, .total = 3};
    wire::Results results{.job = job_number(1), .first = 0, .count = 1};
    wire::Errors errors{.job = job_number(1), .failures = {{.index = 1}}};
    wire::Ended ended{.job = job_number(1),
                      .assignment = 1,
                      .outcome = Outcome::expired,
                      .reason = {},
                      .total = {},
                      .missing = {{.reason = "never started", .ranges = {{2, 3}}}}};

    /// Sets text number `which` to its limit; false when there are not so many.
    bool stretch(std::size_t which) {
        std::size_t at = 0;
        auto take = [&](std::string& text, std::size_t most) {
            if (at++ == which) text = std::string(most, 'x');
        };
        each_text(assign, {}, take);
        each_text(results, {}, take);
        each_text(errors, {}, take);
        each_text(ended, {}, take);
        return which < at;
    }
};

/// As it comes in: past the codec, which refuses what is too long.
wire::Message received(const wire::Message& message) {
    auto read = wire::decode(wire::encode(message));
    REQUIRE_MESSAGE(read.has_value(), std::string(wire::name_of(message)));
    return *std::move(read);
}

/// What was said since the last call; each is a message that its receiver reads.
std::vector<std::string> all_said(Process& gatherer) {
    std::vector<std::string> headers;
    for (const Action& action : std::exchange(gatherer.said, {})) {
        const wire::Message* message = nullptr;
        if (auto* send = std::get_if<Send>(&action)) message = &send->message;
        if (auto* send = std::get_if<SendBroker>(&action)) message = &send->message;
        if (message) headers.push_back(wire::encode(received(*message)));
    }
    return headers;
}

std::vector<std::string> collect(Process& gatherer) {
    all_said(gatherer);
    gatherer.step(Received{.from = {"c1"},
                           .message = received(wire::Collect{
                               .job = job_number(1), .ordered = true, .credit = 1 << 20}),
                           .body = {}});
    while (!gatherer.fetches.empty()) gatherer.answer();
    return all_said(gatherer);
}

/// Plays it in one life, and expects the next to show collectors the same.
void play(const Scenario& scenario) {
    Disk disk;
    Process gatherer{disk};
    gatherer.say(wire::Welcome{.epoch = {1, 1}});
    gatherer.say(received(scenario.assign));
    gatherer.step(Pulled{received(scenario.results), Slice::take(value(0))});
    gatherer.say(received(scenario.errors));
    gatherer.say(received(scenario.ended));
    gatherer.commit_all();
    auto shown = collect(gatherer);
    CHECK(shown.size() == 3);  // Values, Failures, Concluded
    disk.each([&](const Record& record) { CHECK(read_row(record).has_value()); });
    gatherer.start();
    CHECK(gatherer.core->unreadable_rows() == 0);
    CHECK(collect(gatherer) == shown);
}

}  // namespace

TEST_CASE("rows: each text of each message at its limit is kept, read back and told again") {
    std::size_t which = 0;
    for (Scenario scenario; scenario.stretch(which); scenario = {}) {
        CAPTURE(which);
        play(scenario);
        ++which;
    }
    CHECK(which > 12);
}

TEST_CASE("rows: an outcome with as many reasons and ranges as there may be") {
    Scenario scenario;
    scenario.assign.total = 3 * gatherer::limits::missing_ranges;
    scenario.ended.reason = std::string(gatherer::limits::reason_bytes, 'r');
    scenario.ended.missing.clear();
    for (Index i = 0; i < gatherer::limits::missing_reasons; ++i) {
        std::string reason = std::to_string(i);
        reason.resize(gatherer::limits::name_bytes, 'x');
        scenario.ended.missing.push_back({.reason = reason, .ranges = {}});
    }
    for (Index i = 0; i < gatherer::limits::missing_ranges; ++i)
        scenario.ended.missing[i % gatherer::limits::missing_reasons].ranges.push_back(
            {2 * i + 2, 2 * i + 3});
    play(scenario);
}
