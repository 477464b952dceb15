// Any rows in the broker's store: it refuses to start, saying why, or it goes on in a sound state,
// with workers and gatherers that come.
#include "broker/core/core.hpp"
#include "shared/base/result.hpp"
#include "tests/fuzz/rows.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::broker;

const fuzz::RowMaker& maker() {
    static const fuzz::RowMaker rows({
        {static_cast<std::uint8_t>(Row::job), fuzz::index_of<wire::Block>()},
        {static_cast<std::uint8_t>(Row::owner), fuzz::index_of<wire::Hello>()},
        {static_cast<std::uint8_t>(Row::located), fuzz::index_of<wire::Located>()},
        {static_cast<std::uint8_t>(Row::block), fuzz::index_of<wire::Block>()},
        {static_cast<std::uint8_t>(Row::total), fuzz::index_of<wire::Seal>()},
        {static_cast<std::uint8_t>(Row::error), fuzz::index_of<wire::Errors>()},
        {static_cast<std::uint8_t>(Row::safe), fuzz::index_of<wire::Gathered>()},
        {static_cast<std::uint8_t>(Row::accepted), fuzz::index_of<wire::Found>()},
        {static_cast<std::uint8_t>(Row::ended), fuzz::index_of<wire::Ended>()},
        {static_cast<std::uint8_t>(Row::round), fuzz::index_of<wire::Retried>()},
        {static_cast<std::uint8_t>(Row::tried), fuzz::index_of<wire::Errors>()},
        {static_cast<std::uint8_t>(Row::forgotten), fuzz::index_of<wire::Located>()},
        {static_cast<std::uint8_t>(Row::share), fuzz::index_of<wire::Adjusted>()},
        {200, fuzz::index_of<wire::Block>()},
    });
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
    try {
        for (const Record& record : maker().rows(input)) core.restore(record);
        core.restored();
    } catch (const StartupError& error) {
        FANFOLD_CHECK(*error.what() != '\0');
        return;
    }
    go_on(core, now);
}
