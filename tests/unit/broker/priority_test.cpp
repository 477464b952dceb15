// How urgent a user's jobs may be.
#include <doctest/doctest.h>

#include "tests/support/broker_tenants_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
KeysChanged with_limits(const Sender& sender, const UserLimits& limits) {
    KeysChanged event = keys({ada, bob, root, hall, mill});
    event.limits[sender.user] = limits;
    return event;
}
bool mentions(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("priority: not above the user's limit, unless an administrator says so") {
    Tenants<Stage> stage;
    stage.step(with_limits(ada, {.priority = 3}));
    auto open = [&](std::uint64_t n, const char* owner, const Sender& sender, int priority) {
        wire::Block block = stage.first(n, owner);
        block.spec->share.priority = priority;
        stage.skip();
        stage.block(block, Slice::copy("\x07"), sender);
        return block.job;
    };
    JobId high = open(1, "a", ada, 4);
    auto refused = stage.expect<wire::Refused>("a");
    CHECK(refused.code == wire::RefusalCode::not_allowed);
    CHECK(refused.job == high);
    CHECK(mentions(
        refused.text,
        "the priority 4 is above 3, the highest that the broker takes of user ada (priority= "
        "in its allowed keys)"));
    CHECK(stage.core->jobs().empty());
    CHECK(stage.core->jobs().contains(open(2, "b", bob, 1000)));
    const Job& job = stage.core->jobs().at(open(3, "a", ada, 3));
    CHECK(stage.ask<wire::Refused>("a", wire::Adjust{.job = job.id, .priority = 4}).job == job.id);
    CHECK(job.standing->share.priority == 3);
    stage.ask<wire::Adjusted>("a", wire::Adjust{.job = job.id, .weight = 2});
    stage.ask<wire::Adjusted>("a", wire::Adjust{.job = job.id, .priority = -1});
    stage.ask<wire::Adjusted>("r", wire::Adjust{.job = job.id, .priority = 4});
    CHECK(job.standing->share.priority == 4);
}

TEST_CASE("priority: without keys one limit is everybody's") {
    Stage stage;
    stage.core = std::make_unique<Core>(Options{.epoch = {.number = 0, .incarnation = 77},
                                                .blocks = {"inproc://blocks"},
                                                .user_limits = {.priority = 0}});
    stage.ignore<wire::Accepted, wire::Assign, wire::Sealed, wire::Notice>();
    stage.client("c");
    stage.gatherer("g");
    auto spec = Stage::spec();
    spec.share.priority = 1;
    stage.open(1, 1, spec);
    CHECK(mentions(stage.expect<wire::Refused>("c").text, "(--user-priority)"));
    JobId job = stage.open(2, 1);
    stage.say("c", wire::Adjust{.job = job, .priority = 1});
    CHECK(stage.expect<wire::Refused>("c").code == wire::RefusalCode::not_allowed);
}
