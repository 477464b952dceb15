// Any rows in the broker's store: it goes on in a sound state, with workers and gatherers that
// come; the jobs of rows that make no sense end, each by itself.
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "broker/core/core.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/fields.hpp"
#include "tests/fuzz/maker.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::broker;

/// One row of the kind that T is, mostly as the broker would write it.
template <class T>
Record row_of(fuzz::Bytes& line, std::uint8_t flaws) {
    fuzz::Maker maker(line);
    Record record{.job = maker.job(), .kind = static_cast<std::uint8_t>(T::kind)};
    record.number = line.number();
    T row = maker.make<T>();
    if constexpr (std::is_same_v<T, rows::Block>) record.body = maker.objects(row.count);
    record.data = flaws == 0xff ? std::string(line.rest()) : wire::fields::encode_fields(row);
    if (flaws == 0xfe) record.kind = 200;
    return record;
}

using Make = Record (*)(fuzz::Bytes&, std::uint8_t);
constexpr Make makers[] = {row_of<rows::Job>,      row_of<rows::Location>, row_of<rows::Block>,
                           row_of<rows::Total>,    row_of<rows::Error>,    row_of<rows::Safe>,
                           row_of<rows::Accepted>, row_of<rows::Tried>,    row_of<rows::Share>,
                           row_of<rows::Ended>,    row_of<rows::Round>,    row_of<rows::Forgotten>};

/// A line is a row; one of the same name replaces the earlier. In the order of a store.
std::vector<Record> rows_of(fuzz::Bytes& input) {
    std::map<std::tuple<JobId, std::uint8_t, std::uint64_t>, Record> named;
    while (!input.empty()) {
        fuzz::Bytes line(input.line());
        if (line.empty()) break;
        Make make = makers[line.below(std::size(makers))];
        Record record = make(line, line.byte());
        named.insert_or_assign({record.job, record.kind, record.number}, std::move(record));
    }
    std::vector<Record> rows;
    for (auto& [name, record] : named) rows.push_back(std::move(record));
    return rows;
}

void go_on(Core& core, Time now) {
    auto step = [&](Event event) {
        std::vector<Action> actions;
        core.step(now += std::chrono::seconds(4), std::move(event), actions);
        core.check_invariants();
        for (const Action& action : actions)
            if (auto* send = std::get_if<Send>(&action))
                FANFOLD_CHECK(wire::decode(wire::encode(send->message)).has_value());
    };
    wire::Hello gatherer{.role = wire::Role::gatherer, .name = "gatherer"};
    gatherer.gatherer.name = "gatherer";
    wire::Hello worker{.role = wire::Role::worker, .name = "w0", .slots = 2, .functions = {"f"}};
    step(Received{{"g0"}, std::move(gatherer), {}});
    step(Received{{"w0"}, std::move(worker), {}});
    for (std::size_t i = 0; i < fuzz::job_pool; ++i) {
        step(Received{{"c0"}, wire::Hello{.name = "client"}, {}});
        step(Received{{"c0"}, wire::Watch{.job = fuzz::job_number(i)}, {}});
        step(Received{{"w0"}, wire::Heartbeat{}, {}});
        step(Received{{"g0"}, wire::Gathered{.job = fuzz::job_number(i), .ranges = {{0, 4}}}, {}});
        step(Received{{"c0"}, wire::Retry{.job = fuzz::job_number(i)}, {}});
        step(Tick{});
    }
    step(Received{{"c0"}, wire::Query{}, {}});
}
}  // namespace

FANFOLD_FUZZ_TARGET(broker_rows) {
    fuzz::Bytes input(data, size);
    fuzz::Bytes setting(input.line());
    const Time now(std::chrono::hours(1));
    Options options{.epoch = {.number = 2, .incarnation = 7}, .blocks = {}};
    options.durable = true;
    options.started = now;
    options.started_since_1970 =
        std::chrono::milliseconds(setting.flag() ? 200 : 1'700'000'000'000);
    if (setting.flag()) options.memory_bytes = 2000;
    Core core(std::move(options));
    for (const Record& record : rows_of(input)) core.restore(record);
    core.restored();
    go_on(core, now);
}
