#include "gatherer/core/core.hpp"

#include <algorithm>
#include <concepts>
#include <utility>

#include "shared/base/overloaded.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

namespace {

/// A message that does not belong where it came in.
Admission::Offence misdirected(const wire::Message& message, const char* where,
                               const PeerId& from = {}, const Sender& sender = {}) {
    return {.from = from,
            .sender = sender,
            .what = "unexpected message dropped",
            .why = std::string(where) + wire::name_of(message)};
}

}  // namespace

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    now_ = now;
    Step step{.now = now, .lived = clock_.advance(now), .actions = actions};
    if (!std::exchange(resumed_, true)) resume(step);
    std::visit(Overloaded{[&](OneOf<FromBroker, Received, Pulled, Garbled> auto& known) {
                              on(step, known);
                          },
                          [&](Arriving&) { broker_.on_message(step); },
                          [&](Denied& denied) { admission_.on_denied(step, denied); },
                          [&](Unroutable& gone) { collecting_.drop(step, jobs_.all(), gone.peer); },
                          [&](Tick&) { collecting_.drop_silent(step, jobs_.all()); },
                          [&](StoreTrouble& trouble) {
                              const bool mended = persistence_.on_trouble(step, trouble);
                              broker_.on_store_changed(step);
                              if (mended) jobs_.on_store_mended(step);
                          },
                          [&](Fetched& fetched) {
                              jobs_.on_fetched(step, fetched);
                              moves_.on_fetched(step, fetched.record.job);
                          },
                          [&](Committed& committed) { persistence_.on_committed(committed); }},
               event);
    broker_.on_time(step);
    jobs_.on_time(step);
    memory_.prefetch_for_queued(step, jobs_.all());
    memory_.make_room();
}

// --- messages

/// What the broker says on control.
void Core::on(Step& step, FromBroker& event) {
    using namespace wire;
    broker_.on_message(step);
    std::visit(
        Overloaded{
            [&](Welcome& welcome) {
                moves_.on_welcome(step, broker_.on_welcome(step, welcome));
                broker_.keep_epoch(step);
            },
            [&](Refused& refused) { broker_.on_refused(step, refused); }, [](Heartbeat&) {},
            [&](Assign& assign) { moves_.on_assign(step, assign); },
            [&](Errors& errors) { jobs_.add_errors(step, std::move(errors), event.body); },
            [&](Mark& mark) { on_mark(step, mark); },
            [&](Relay& relay) {
                jobs_.add_results(step, relay.results, event.body, {});
                answer(step, {.job = relay.results.job,
                              .owner = std::move(relay.owner),
                              .number = relay.number});
            },
            [&](Ended& ended) {
                moves_.keep(step, ended.job);
                if (Job* job = jobs_.find(ended.job)) outcomes_.on_ended(step, *job, ended);
            },
            [&](Forget& forget) { moves_.on_forget(step, forget.job); },
            [&](Describe& describe) { jobs_.on_describe(step, describe); },
            [&](Drain& drain) { broker_.on_drain(step, drain.off); },
            [&](HandOver& order) { moves_.on_hand_over(step, order); },
            [&](HandedRow& row) { moves_.on_row(step, std::move(row), std::move(event.body)); },
            [&](RowTaken& taken) { moves_.on_taken(step, taken); },
            [&](AllowedKeys& allowed) {
                admission_.on_keys(std::move(allowed));
                collecting_.drop_denied(step, jobs_.all());
            },
            [&](OneOf<Hello, Bye, Marked, Block, Seal, Accepted, Sealed, Cancel, Watch, Located,
                      Notice, Query, Report, Find, Found, Retry, Retried, Adjust, Adjusted,
                      CancelFragments, FragmentsCancelled, Dispatch, Done, Release, Drop, SendAgain,
                      Recall, Examine, Results, Gathered, Propose, Forgotten, Holds, Described,
                      Drained, Collect, Values, Failures, Acknowledge, Concluded> auto&) {
                strike(step, misdirected(event.message, "from the broker: "));
            }},
        event.message);
}

/// What collectors say.
void Core::on(Step& step, Received& event) {
    using namespace wire;
    if (is_ignored(event.from, event.sender)) return;
    std::visit(
        Overloaded{[&](Collect& collect) {
                       collecting_.collect(
                           step, jobs_.find(collect.job),
                           {.peer = event.from, .collect = collect, .sender = event.sender});
                   },
                   [&](Acknowledge& acknowledge) {
                       if (Job* job = jobs_.find(acknowledge.job))
                           collecting_.acknowledge(step, *job,
                                                   {.peer = event.from,
                                                    .sender = event.sender,
                                                    .position = acknowledge.position});
                   },
                   [&](Mark& mark) {
                       collecting_.on_mark(step, jobs_.find(mark.job), event.from, event.sender,
                                           mark);
                   },
                   [&](Bye&) { collecting_.drop(step, jobs_.all(), event.from); },
                   [&](OneOf<Hello, Welcome, Refused, Heartbeat, Marked, Block, Seal, Accepted,
                             Sealed, Cancel, Watch, Located, Notice, Ended, Query, Report, Find,
                             Found, Retry, Retried, Adjust, Adjusted, CancelFragments,
                             FragmentsCancelled, Dispatch, Done, Release, Drop, SendAgain, Recall,
                             Examine, Results, Relay, Assign, Errors, Gathered, Propose, Forget,
                             Forgotten, AllowedKeys, Holds, Describe, Described, Drain, Drained,
                             HandOver, HandedRow, RowTaken, Values, Failures, Concluded> auto&) {
                       strike(step, misdirected(event.message, "", event.from, event.sender));
                   }},
        event.message);
}

/// What workers say, at the results' socket.
void Core::on(Step& step, Pulled& event) {
    if (is_ignored({}, event.sender)) return;
    if (auto* results = std::get_if<wire::Results>(&event.message))
        return jobs_.add_results(step, *results, event.body, event.sender);
    if (auto* mark = std::get_if<wire::Mark>(&event.message)) return on_mark(step, *mark);
    strike(step, misdirected(event.message, "at the results' socket: ", {}, event.sender));
}

/// Behind results, or errors: what has come of them is told first.
void Core::on_mark(Step& step, const wire::Mark& mark) {
    // Of early results it is told once the job is known; of a job that is leaving, nothing, as its
    // results are dropped.
    if (giving_.gives(mark.job)) return;
    if (jobs_.find(mark.job) || !early_.has_results(mark.job)) answer(step, mark);
}

void Core::answer(Step& step, const wire::Mark& mark) {
    if (Job* job = jobs_.find(mark.job)) confirmations_.flush_unless_empty(step, *job);
    broker_.send(step, wire::Marked{.job = mark.job, .owner = mark.owner, .number = mark.number});
}

void Core::on(Step& step, Garbled& event) {
    if (!is_ignored(event.from, event.sender))
        strike(step, {.from = event.from,
                      .sender = event.sender,
                      .what = "bytes that are no message dropped",
                      .why = std::move(event.why),
                      .bytes = event.bytes});
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

std::uint64_t Core::kept_jobs() const {
    const auto is_kept = [](const auto& item) { return !item.second->assembly.spec().attached; };
    return static_cast<std::uint64_t>(std::ranges::count_if(jobs_.all(), is_kept));
}

bool Core::compresses(const JobId& id) const {
    const Job* job = jobs_.find(id);
    return job && job->assembly.spec().compress;
}

void Core::check_invariants() const {
    jobs_.check_invariants();
    Collecting::check_invariants(jobs_.all());
    confirmations_.check_invariants(jobs_.all());
    memory_.check_invariants({&jobs_.all(), &taking_.all()});
    giving_.check_invariants(jobs_.all());
    taking_.check_invariants();
    early_.check_invariants();
}

}  // namespace fanfold::gatherer
