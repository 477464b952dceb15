// Handlers that wait lend their threads to other tasks.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "shared/base/handler_thread.hpp"
#include "tests/support/executor_harness.hpp"
#include "tests/support/recorder.hpp"

using namespace fanfold;
using namespace fanfold::worker;
using namespace fanfold::worker::testing;

namespace {

Run guest_task(std::uint64_t number, SlotId host) {
    wire::JobSpec spec{.function = "guest", .owner = {}};
    spec.outer = {{.job = {}, .index = 0, .attempt = 3}};
    return {.slot = 1,
            .task = {.number = number,
                     .job = fanfold::testing::job_number(9),
                     .first = 4,
                     .count = 1,
                     .attempt = 2,
                     .body = Slice::take(packed(5)),
                     .spec = spec},
            .host = host};
}

}  // namespace

TEST_CASE("a guest runs on the thread that waits, as a part of what waits there") {
    std::atomic<HandlerThread*> waiting = nullptr;
    std::thread::id host_thread, guest_thread;
    Parent within;
    FunctionTable functions;
    functions.add_handler("host", [&](Context&, std::string_view payload, std::string& out) {
        host_thread = std::this_thread::get_id();
        waiting = HandlerThread::mine();
        HandlerThread::mine()->help(Time::max());
        out = payload;
    });
    functions.add_handler("guest",
                          [&](Context& context, std::string_view payload, std::string& out) {
                              guest_thread = std::this_thread::get_id();
                              within = HandlerThread::mine()->parent();
                              CHECK(HandlerThread::mine() != waiting);
                              CHECK(Parent(context).attempts.size() == within.attempts.size());
                              out = payload;
                          });
    ExecutorStage stage(std::move(functions));
    CHECK(HandlerThread::mine() == nullptr);
    const std::uint64_t host = stage.run("host", {packed(1)});
    CHECK(stage.next<Waits>().waits);

    stage.executors().run(guest_task(77, 0));
    CHECK(stage.next<Values>().task == 77);
    CHECK(stage.next<Finished>().task == 77);
    waiting.load()->wake();
    auto after = stage.next<Waits>();
    CHECK(after.task == host);
    CHECK_FALSE(after.waits);
    CHECK(stage.next<Values>().task == host);
    CHECK(stage.next<Finished>().task == host);
    CHECK(guest_thread == host_thread);
    REQUIRE(within.attempts.size() == 2);
    CHECK(within.attempts[0].attempt == 3);
    CHECK(within.attempts[1].job == to_string(fanfold::testing::job_number(9)));
    CHECK(within.attempts[1].index == 4);

    stage.executors().run(guest_task(78, 0));  // nobody waits there any more
    CHECK(stage.next<Finished>().task == 78);
}
