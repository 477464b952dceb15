#include "gatherer/core/core.hpp"

#include <algorithm>
#include <concepts>
#include <utility>

#include "shared/base/overloaded.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

namespace {

/// A message that does not belong where it came in.
Admission::Offence misdirected(const wire::Message& message, const char* where) {
    return {.what = "unexpected message dropped",
            .why = std::string(where) + wire::name_of(message)};
}

}  // namespace

Core::Core(const Options& options)
    : persistence_({.durable = options.durable, .steady_began = options.steady_began}),
      broker_(options.self, persistence_),
      confirmations_(broker_),
      memory_(options.memory_bytes, persistence_),
      collecting_(options.self.name, {.admission = admission_,
                                      .early = early_,
                                      .memory = memory_,
                                      .confirmations = confirmations_,
                                      .broker = broker_,
                                      .persistence = persistence_}),
      outcomes_({.collecting = collecting_,
                 .memory = memory_,
                 .confirmations = confirmations_,
                 .broker = broker_,
                 .persistence = persistence_,
                 .keep = options.keep}),
      jobs_(options.state, {.outcomes = outcomes_,
                            .collecting = collecting_,
                            .admission = admission_,
                            .early = early_,
                            .memory = memory_,
                            .confirmations = confirmations_,
                            .broker = broker_,
                            .persistence = persistence_}),
      restoring_(memory_, persistence_) {}

/// What the broker says on control.
struct Core::FromBrokerRouter {
    Core& core;
    Step& step;
    const FromBroker& event;

    void operator()(wire::Welcome& welcome) {
        core.jobs_.on_welcome(step, core.broker_.on_welcome(step, welcome));
        core.broker_.keep_epoch(step);
    }
    void operator()(wire::Refused& refused) { core.broker_.on_refused(step, refused); }
    void operator()(wire::Heartbeat&) {}
    void operator()(wire::Assign& assign) { core.jobs_.assign(step, assign); }
    void operator()(wire::Errors& errors) {
        core.jobs_.add_errors(step, std::move(errors), event.body);
    }
    void operator()(wire::Ended& ended) { core.jobs_.on_ended(step, ended); }
    void operator()(wire::Forget& forget) { core.jobs_.on_forget(step, forget.job); }
    void operator()(wire::AllowedKeys& allowed) {
        core.admission_.on_keys(std::move(allowed));
        core.collecting_.drop_denied(step, core.jobs_.all());
    }
    template <
        OneOf<wire::Hello, wire::Bye, wire::Block, wire::Seal, wire::Accepted, wire::Sealed,
              wire::Cancel, wire::Watch, wire::Located, wire::Notice, wire::Query, wire::Report,
              wire::Find, wire::Found, wire::Retry, wire::Retried, wire::Adjust, wire::Adjusted,
              wire::Dispatch, wire::Done, wire::Release, wire::Drop, wire::SendAgain, wire::Recall,
              wire::Results, wire::Gathered, wire::Propose, wire::Forgotten, wire::Collect,
              wire::Values, wire::Failures, wire::Acknowledge, wire::Concluded>
            Never>
    void operator()(Never&) {
        core.strike(step, misdirected(event.message, "from the broker: "));
    }
};

/// What collectors say.
struct Core::FromCollectorRouter {
    Core& core;
    Step& step;
    const Received& event;

    void operator()(const wire::Collect& collect) {
        core.collecting_.collect(step, core.jobs_.find(collect.job),
                                 {.peer = event.from, .collect = collect, .sender = event.sender});
    }
    void operator()(wire::Acknowledge& acknowledge) {
        if (Job* job = core.jobs_.find(acknowledge.job))
            core.collecting_.acknowledge(
                step, *job,
                {.peer = event.from, .sender = event.sender, .position = acknowledge.position});
    }
    void operator()(wire::Bye&) { core.collecting_.drop(step, core.jobs_.all(), event.from); }
    template <
        OneOf<wire::Hello, wire::Welcome, wire::Refused, wire::Heartbeat, wire::Block, wire::Seal,
              wire::Accepted, wire::Sealed, wire::Cancel, wire::Watch, wire::Located, wire::Notice,
              wire::Ended, wire::Query, wire::Report, wire::Find, wire::Found, wire::Retry,
              wire::Retried, wire::Adjust, wire::Adjusted, wire::Dispatch, wire::Done,
              wire::Release, wire::Drop, wire::SendAgain, wire::Recall, wire::Results, wire::Assign,
              wire::Errors, wire::Gathered, wire::Propose, wire::Forget, wire::Forgotten,
              wire::AllowedKeys, wire::Values, wire::Failures, wire::Concluded>
            Never>
    void operator()(Never&) {
        auto strike = misdirected(event.message, "");
        strike.from = event.from;
        strike.sender = event.sender;
        core.strike(step, strike);
    }
};

/// What workers say, at the results' socket.
struct Core::FromWorkerRouter {
    Core& core;
    Step& step;
    const Pulled& event;

    void operator()(wire::Results& results) {
        core.jobs_.add_results(step, results, event.body, event.sender);
    }
    template <
        OneOf<wire::Hello, wire::Welcome, wire::Refused, wire::Heartbeat, wire::Bye, wire::Block,
              wire::Seal, wire::Accepted, wire::Sealed, wire::Cancel, wire::Watch, wire::Located,
              wire::Notice, wire::Ended, wire::Query, wire::Report, wire::Find, wire::Found,
              wire::Retry, wire::Retried, wire::Adjust, wire::Adjusted, wire::Dispatch, wire::Done,
              wire::Release, wire::Drop, wire::SendAgain, wire::Recall, wire::Assign, wire::Errors,
              wire::Gathered, wire::Propose, wire::Forget, wire::Forgotten, wire::AllowedKeys,
              wire::Collect, wire::Values, wire::Failures, wire::Acknowledge, wire::Concluded>
            Never>
    void operator()(Never&) {
        auto strike = misdirected(event.message, "at the results' socket: ");
        strike.sender = event.sender;
        core.strike(step, strike);
    }
};

struct Core::EventRouter {
    Core& core;
    Step& step;

    void operator()(FromBroker& event) {
        core.broker_.on_message(step);
        std::visit(FromBrokerRouter{core, step, event}, event.message);
    }
    void operator()(Received& event) {
        if (!core.is_ignored(event.from, event.sender))
            std::visit(FromCollectorRouter{core, step, event}, event.message);
    }
    void operator()(Pulled& event) {
        if (!core.is_ignored({}, event.sender))
            std::visit(FromWorkerRouter{core, step, event}, event.message);
    }
    void operator()(Denied& event) { core.admission_.on_denied(step, event); }
    void operator()(Unroutable& event) {
        core.collecting_.drop(step, core.jobs_.all(), event.peer);
    }
    void operator()(Garbled& event) {
        if (!core.is_ignored(event.from, event.sender))
            core.strike(step, {.from = event.from,
                               .sender = event.sender,
                               .what = "bytes that are no message dropped",
                               .why = std::move(event.why),
                               .bytes = event.bytes});
    }
    void operator()(Tick&) { core.collecting_.drop_silent(step, core.jobs_.all()); }
    void operator()(StoreTrouble& event) {
        if (core.persistence_.on_trouble(step, event)) core.jobs_.on_store_mended(step);
    }
    void operator()(Fetched& event) { core.jobs_.on_fetched(step, event); }
    void operator()(Committed& event) { core.persistence_.on_committed(event); }
};

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    now_ = now;
    Step step{.now = now, .lived = clock_.advance(now), .actions = actions};
    if (!std::exchange(resumed_, true)) resume(step);
    std::visit(EventRouter{*this, step}, event);
    broker_.on_time(step);
    jobs_.on_time(step);
    memory_.prefetch_for_queued(step, jobs_.all());
    memory_.make_room();
}

void Core::resume(Step& step) {
    Restored restored = restoring_.finish();
    if (restored.broker) broker_.restore(*restored.broker);
    jobs_.resume(step, std::move(restored));
}

/// Whoever is cut off follows no job any more.
void Core::strike(Step& step, const Admission::Offence& offence) {
    if (admission_.strike(step, offence)) collecting_.drop(step, jobs_.all(), offence.from);
}

Time Core::next_wakeup() const {
    Time next = broker_.next(now_, clock_.now());
    for (auto other : {outcomes_.next(), early_.next(), confirmations_.next(), collecting_.next()})
        if (other) next = std::min(next, *other);
    return next;
}

bool Core::compresses(const JobId& id) const {
    const Job* job = jobs_.find(id);
    return job && job->assembly.spec().compress;
}

void Core::check_invariants() const {
    jobs_.check_invariants();
    Collecting::check_invariants(jobs_.all());
    confirmations_.check_invariants(jobs_.all());
    memory_.check_invariants(jobs_.all());
    early_.check_invariants();
}

}  // namespace fanfold::gatherer
