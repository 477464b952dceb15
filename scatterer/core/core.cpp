#include "scatterer/core/core.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "shared/base/overloaded.hpp"

namespace fanfold::scatterer {

namespace {

/// What only others are sent. A message that stands neither here nor in a route does not compile.
template <class Message>
concept ForOthers =
    OneOf<Message, wire::Hello, wire::Mark, wire::Block, wire::Seal, wire::Cancel, wire::Watch,
          wire::Query, wire::Find, wire::Retry, wire::Adjust, wire::CancelFragments, wire::Dispatch,
          wire::Done, wire::Release, wire::Drop, wire::SendAgain, wire::Recall, wire::Examine,
          wire::Results, wire::Relay, wire::Assign, wire::Errors, wire::Gathered, wire::Propose,
          wire::Forget, wire::AllowedKeys, wire::Holds, wire::Describe, wire::Described,
          wire::Drain, wire::HandOver, wire::HandedRow, wire::RowTaken, wire::Collect,
          wire::Acknowledge>;
/// What a broker does not send to a client, and what a gatherer does not.
template <class Message>
concept NotOfBroker =
    ForOthers<Message> || OneOf<Message, wire::Bye, wire::Values, wire::Failures, wire::Concluded>;
template <class Message>
concept NotOfGatherer = ForOthers<Message> ||
    OneOf<Message, wire::Welcome, wire::Heartbeat, wire::Bye, wire::Accepted, wire::Sealed,
          wire::Located, wire::Notice, wire::Ended, wire::Report, wire::Found, wire::Retried,
          wire::Adjusted, wire::FragmentsCancelled, wire::Forgotten, wire::Drained>;
}  // namespace

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    now_ = now;
    Step step{.now = now, .lived = lived_.advance(now), .session = session_, .actions = actions};
    const Overloaded owners{
        [&](OpenJob& call) { jobs_.open(step, std::move(call)); },
        [&](OneOf<AppendBlock, SealJob, CollectJob, Consumed, CancelJob> auto& call) {
            jobs_.handle(step, call);
        },
        [&](const WatchJob& call) { jobs_.watch(step, call); },
        [&](const CloseJob& call) { jobs_.close(step, call); },
        [&](const Ask& call) { ask(step, call); },
        [&](const Leave&) { leave(step); },
        [&](const ControlOpened& opened) { session_.on_opened(step, opened.self); },
        [&](FromBroker& received) { route(step, received); },
        [&](FromGatherer& received) { route(step, received); },
        [&](const GathererSends& sends) { jobs_.hear(step, sends.from); },
        [&](const Reach& reach) { walls_.change(reach, step.lived); },
        [&](const Garbled& garbled) {
            step.act(Note{.level = Level::warn,
                          .what = "bytes that are no message",
                          .peer = to_string(garbled.from),
                          .detail = garbled.why});
        },
        [&](const Tick&) { tick(step); },
    };
    std::visit(owners, event);
    keep_session(step);
}

void Core::route(Step& step, FromBroker& event) {
    session_.heard(step);
    const Overloaded owners{
        [&](const wire::Welcome& message) { welcome(step, message); },
        [&](const wire::Refused& message) { refused(step, message); },
        [](const wire::Heartbeat&) {},
        [&](const wire::Accepted& message) { jobs_.on_accepted(step, message); },
        [&](const wire::Marked& message) { jobs_.on_marked(step, message); },
        [&](const wire::Located& message) { jobs_.on_located(step, message); },
        [&](const OneOf<wire::Sealed, wire::Notice, wire::Ended> auto& message) {
            jobs_.handle(step, message);
        },
        [&](const OneOf<wire::Report, wire::Drained> auto& message) {
            questions_.answer(step, message.number, message);
        },
        [&](const wire::Retried& message) { questions_.on_retried(step, message); },
        [&](const wire::Adjusted& message) { questions_.on_adjusted(step, message); },
        [&](const wire::FragmentsCancelled& message) {
            questions_.on_fragments_cancelled(step, message);
        },
        [&](const wire::Forgotten& message) { questions_.on_forgotten(step, message); },
        [&](const wire::Found& message) {
            if (auto refusal = questions_.on_found(step, message))
                jobs_.refuse(step, refusal->job, refusal->text);
        },
        [&](const NotOfBroker auto& message) {
            step.act(Note{.level = Level::warn,
                          .what = "a message that brokers don't send",
                          .detail = wire::name_of(message)});
        },
    };
    std::visit(owners, std::as_const(event.message));
}

void Core::route(Step& step, FromGatherer& event) {
    const GathererKey& from = event.from;
    const Overloaded owners{
        [&](const wire::Values& message) { jobs_.on_values(step, from, message, event.body); },
        [&](const wire::Failures& message) { jobs_.on_failures(step, from, message, event.body); },
        [&](const wire::Concluded& message) { jobs_.on_concluded(step, from, message); },
        [&](const wire::Marked& message) { jobs_.on_marked(step, from, message); },
        [&](const wire::Refused& message) { jobs_.turned_away(step, from, message); },
        [&](const NotOfGatherer auto& message) {
            step.act(Note{.level = Level::warn,
                          .what = "a message that gatherers don't send",
                          .peer = from.name,
                          .detail = wire::name_of(message)});
        },
    };
    std::visit(owners, std::as_const(event.message));
}

// --- the session, and what follows from it

void Core::welcome(Step& step, const wire::Welcome& welcome) {
    const bool waited = session_.told_of_wait();
    const auto greeting = session_.on_welcome(step, welcome);
    if (greeting == BrokerSession::Greeting::doubted) return;
    jobs_.learn(welcome.gatherers);
    if (greeting == BrokerSession::Greeting::again) return;
    // One with a store may know a job, or its gatherer does: it is asked.
    if (greeting == BrokerSession::Greeting::other_life && welcome.epoch.number == 0)
        jobs_.on_memory_lost(step);
    step.act(Connected{welcome});
    if (waited) tell(step, "the broker at " + session_.broker() + " answers again");
    jobs_.start_session(step);
    questions_.start_over(step);
    repeat(step);
}

void Core::refused(Step& step, const wire::Refused& refused) {
    if (!refused.job) {
        if (auto failure = session_.on_refused(step, refused)) give_up(step, failure->text);
        return;
    }
    if (questions_.on_refused(step, *refused.job, refused)) return;
    if (const Submission* keyed = jobs_.on_refused(step, *refused.job, refused))
        questions_.ask_for_holder(step, *keyed, refused.text);
}

void Core::give_up(Step& step, const std::string& why) {
    jobs_.on_session_lost(step, why);
    questions_.fail_all(step, why);
    step.act(ConnectionFailed{why});
}

/// Those whose jobs it concerns, or, where there are none, whoever holds the connection.
void Core::tell(Step& step, const std::string& text) {
    if (!jobs_.notify_all(step, text)) step.act(ConnectionNotice{text});
}

void Core::ask(Step& step, const Ask& event) {
    if (!session_.accepts_calls()) return step.act(Answer{event.number, fail(session_.failure())});
    questions_.add(step, event);
    if (session_.connected()) questions_.repeat(step);
}

void Core::leave(Step& step) {
    if (session_.connected()) jobs_.leave(step);
    session_.leave(step);
}

void Core::tick(Step& step) {
    keep_session(step);
    if (session_.connected() && step.now >= repeat_at_) repeat(step);
}

void Core::keep_session(Step& step) {
    if (auto failure = session_.check_patience(step)) give_up(step, failure->text);
    const auto kept = session_.keep(step);
    if (kept.notice) tell(step, *kept.notice);
    if (kept.reconnect) step.act(Reconnect{});
    if (kept.heartbeat) step.send(wire::Heartbeat{.unreached = walls_.list(step.lived)});
    jobs_.tell_of_walls(step, walls_.list(step.lived));
}

void Core::repeat(Step& step) {
    repeat_at_ = step.now + limits::check_interval;
    questions_.repeat(step);
    jobs_.repeat(step);
}

Time Core::next_wakeup() const {
    Time next = session_.next_wakeup(now_, lived_.now());
    bool waits = session_.connected() && !(jobs_.empty() && questions_.empty());
    return waits ? std::min(next, repeat_at_) : next;
}

void Core::check_invariants() const {
    session_.check_invariants();
    jobs_.check_invariants();
    questions_.check_invariants();
}

}  // namespace fanfold::scatterer
