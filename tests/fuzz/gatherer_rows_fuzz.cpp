// Any rows in the gatherer's store: it goes on in a sound state, with collectors that come.
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "gatherer/core/core.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/fields.hpp"
#include "tests/fuzz/maker.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::gatherer;

/// A row of the kind that is at this place in AnyRow.
template <std::size_t... i>
std::pair<Row, std::string> data_of(std::size_t index, fuzz::Maker& maker,
                                    std::index_sequence<i...>) {
    static constexpr std::pair<Row, std::string> (*make_one[])(fuzz::Maker&) = {
        [](fuzz::Maker& from) -> std::pair<Row, std::string> {
            using T = std::variant_alternative_t<i, AnyRow>;
            return {T::kind, wire::fields::encode_fields(from.make<T>())};
        }...};
    return make_one[index](maker);
}

/// Mostly of the kind that it says; sometimes of another, or any bytes.
Record row(fuzz::Bytes& line) {
    constexpr std::size_t kinds = std::variant_size_v<AnyRow>;
    fuzz::Maker maker(line);
    std::uint8_t flaws = line.byte();
    auto [kind, data] = data_of(line.below(kinds), maker, std::make_index_sequence<kinds>());
    Record record{.job = maker.job(), .kind = static_cast<std::uint8_t>(kind)};
    record.number = line.number();
    if ((flaws & 0xf0) == 0xf0) record.kind = line.byte();
    record.body = maker.objects(1 + line.below(4));
    record.data = flaws == 0xff ? std::string(line.rest()) : std::move(data);
    return record;
}

/// A line is a row; one of the same name replaces the earlier. In the order of a store.
std::vector<Record> rows(fuzz::Bytes& input) {
    std::map<std::tuple<JobId, std::uint8_t, std::uint64_t>, Record> named;
    while (!input.empty()) {
        fuzz::Bytes line(input.line());
        if (line.empty()) break;
        Record record = row(line);
        named.insert_or_assign({record.job, record.kind, record.number}, std::move(record));
    }
    std::vector<Record> all;
    for (auto& [name, record] : named) all.push_back(std::move(record));
    return all;
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
    step(Tick{});
    step(FromBroker{wire::Welcome{.epoch = {.number = 1, .incarnation = 1},
                                  .heartbeat = wire::Milliseconds(500),
                                  .timeout = wire::Milliseconds(5000)},
                    {}});
    for (std::size_t i = 0; i < fuzz::job_pool; ++i) {
        JobId job = fuzz::job_number(i);
        step(Received{{"c0"}, wire::Collect{.job = job, .ordered = true, .credit = 1 << 20}, {}});
        step(Received{{"c1"}, wire::Collect{.job = job, .now = true, .credit = 1 << 20}, {}});
        std::string body;
        wire::append_text(body, "value");
        step(Pulled{wire::Results{.job = job, .first = 0, .count = 1},
                    Slice::take(std::move(body))});
        step(FromBroker{wire::Ended{.job = job, .outcome = wire::Outcome::cancelled, .total = 3},
                        {}});
        step(Received{{"c0"}, wire::Acknowledge{.job = job, .position = 1}, {}});
    }
    step(Tick{});
}
}  // namespace

FANFOLD_FUZZ_TARGET(gatherer_rows) {
    fuzz::Bytes input(data, size);
    fuzz::Bytes setting(input.line());
    Options options{.self = {.name = "gatherer", .epoch = {.number = 2, .incarnation = 7}}};
    options.durable = true;
    options.state = "/state";
    if (setting.flag()) options.memory_bytes = 2000;
    if (setting.flag()) options.steady_began = std::chrono::milliseconds(1'700'000'000'000);
    Core core(std::move(options));
    for (const Record& record : rows(input)) core.restore(record);
    go_on(core, Time(std::chrono::hours(1)));
}
