// Any rows in the gatherer's store: it refuses to start, saying why, or it goes on in a sound
// state, with collectors that come.
#include "gatherer/core/core.hpp"
#include "shared/base/result.hpp"
#include "tests/fuzz/rows.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::gatherer;

const fuzz::RowMaker& maker() {
    static const fuzz::RowMaker rows({
        {static_cast<std::uint8_t>(Row::job), fuzz::index_of<wire::Assign>()},
        {static_cast<std::uint8_t>(Row::sequence), fuzz::index_of<wire::Acknowledge>()},
        {static_cast<std::uint8_t>(Row::let_go), fuzz::index_of<wire::Gathered>()},
        {static_cast<std::uint8_t>(Row::entry), fuzz::index_of<wire::Values>()},
        {static_cast<std::uint8_t>(Row::entry), fuzz::index_of<wire::Failures>()},
        {static_cast<std::uint8_t>(Row::proposal), fuzz::index_of<wire::Propose>()},
        {static_cast<std::uint8_t>(Row::outcome), fuzz::index_of<wire::Concluded>()},
        {static_cast<std::uint8_t>(Row::answered), fuzz::index_of<wire::Ended>()},
        {static_cast<std::uint8_t>(Row::orphaned), fuzz::index_of<wire::Forget>()},
        {static_cast<std::uint8_t>(Row::broker), fuzz::index_of<wire::Welcome>()},
        {200, fuzz::index_of<wire::Assign>()},
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
    for (const Record& record : maker().rows(input)) {
        if (auto restored = core.restore(record); !restored)
            return FANFOLD_CHECK(!restored.error().text.empty());
    }
    go_on(core, Time(std::chrono::hours(1)));
}
