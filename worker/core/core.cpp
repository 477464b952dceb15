#include "worker/core/core.hpp"

#include <algorithm>
#include <concepts>
#include <limits>
#include <utility>

#include "shared/base/overloaded.hpp"
#include "shared/base/result.hpp"

namespace fanfold::worker {

namespace {

/// What a broker sends to nobody, or to other roles only.
template <class T>
concept ForOthers =
    OneOf<T, wire::Hello, wire::Bye, wire::Mark, wire::Block, wire::Seal, wire::Accepted,
          wire::Sealed, wire::Cancel, wire::Watch, wire::Located, wire::Notice, wire::Ended,
          wire::Query, wire::Report, wire::Find, wire::Found, wire::Retry, wire::Retried,
          wire::Adjust, wire::Adjusted, wire::CancelFragments, wire::FragmentsCancelled, wire::Done,
          wire::Results, wire::Relay, wire::Assign, wire::Errors, wire::Gathered, wire::Propose,
          wire::Forget, wire::Forgotten, wire::AllowedKeys, wire::Holds, wire::Describe,
          wire::Described, wire::Drain, wire::Drained, wire::HandOver, wire::HandedRow,
          wire::RowTaken, wire::Collect, wire::Values, wire::Failures, wire::Acknowledge,
          wire::Concluded>;

void send(Step& step, wire::Message message, Slice body = {}) {
    step.act(SendBroker{std::move(message), std::move(body)});
}

wire::Hello hello_of(const Options& options) {
    return {.role = wire::Role::worker,
            .name = options.name,
            .epoch = options.epoch,
            .slots = std::max(options.slots, 1u),
            .functions = options.functions,
            .gatherer = {},
            .idempotent = options.idempotent,
            .labels = options.labels,
            .resources = options.resources};
}

}  // namespace

Core::Core(Options options)
    : options_([&] {
          std::sort(options.functions.begin(), options.functions.end());
          return std::move(options);
      }()),
      session_(hello_of(options_)),
      work_({.slots = options_.slots,
             .spare_slots = options_.spare_slots,
             .worker = options_.name,
             .functions = options_.functions}) {}

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    if (left()) return;
    now_ = now;
    lived_.advance(now);
    Step step{.now = now, .actions = actions, .done = done_};
    if (session_.state() == BrokerSession::State::unconnected) session_.opened(now, lived_.now());
    route(step, event);
    if (!left()) keep_time(step);
    if (!left()) settle(step);
}

Time Core::next_wakeup() const {
    if (left()) return Time::max();
    if (session_.state() == BrokerSession::State::unconnected) return now_;
    Time next = std::min({session_.next(now_, lived_.now()), work_.next_wakeup(),
                          results_.next_check(), health_.next_wakeup()});
    if (done_since_ && connected()) next = std::min(next, *done_since_ + limits::done_patience);
    if (drain_until_ && *drain_until_ > now_) next = std::min(next, *drain_until_);
    return next;
}

void Core::route(Step& step, Event& event) {
    const Overloaded owners{
        [&](FromBroker& from) {
            session_.heard(lived_.now());
            route(step, from.message, from.body);
        },
        [&](Arriving&) { session_.heard(lived_.now()); },
        [&](Values& values) { take_values(step, values); },
        [&](Failed& failed) {
            if (failed.trouble == wire::TroubleKind::worker)
                health_.trouble(step, failed.failure.message);
            work_.take_failure(step, failed, briefs_);
        },
        [&](Checked& checked) { health_.take_checked(step, checked.why); },
        [&](Finished& finished) { work_.take_finished(step, finished); },
        [&](Overran& overran) { work_.take_overrun(step, overran, briefs_); },
        [&](Trimmed& trimmed) { work_.take_trimmed(step, trimmed); },
        [&](Waits& waits) { work_.take_waits(waits); },
        [&](Drain&) {
            if (drain_until_) return;
            drain_until_ = step.now + limits::drain_patience;
            step.act(Note{.level = Level::info, .what = "draining"});
            // So that nothing more comes while it ends what runs.
            const bool stays = !work_.held().empty() || !results_.empty();
            if (stays && connected()) say_heartbeat(step);
        },
        [&](Reach& reach) { walls_.change(reach, lived_.now()); },
        [&](Garbled& garbled) {
            step.act(Note{.level = Level::warn,
                          .what = "bytes that are no message",
                          .detail = std::move(garbled.why)});
        },
        [](Tick&) {},
    };
    std::visit(owners, event);
}

void Core::route(Step& step, wire::Message& message, Slice& body) {
    const Overloaded owners{
        [&](wire::Welcome& welcome) { take_welcome(step, welcome); },
        [&](wire::Refused& refused) { take_refusal(step, refused); },
        [&](wire::Heartbeat& heartbeat) {
            const bool lost = connected() && dispatches_.mark(heartbeat.handled);
            if (lost || session_.wants_answer(step.now)) say_heartbeat(step);
        },
        [&](wire::Marked& marked) {
            if (!relay_.on_marked(step.now, marked, results_))
                results_.on_marked(step, marked, briefs_);
        },
        [&](wire::Dispatch& dispatch) { take_dispatch(step, dispatch, std::move(body)); },
        [&](wire::Release& released) { release(step, released); },
        [&](wire::Drop& dropped) { drop(step, dropped.job); },
        [&](wire::SendAgain& again) {
            if (briefs_.assign(again.job, again.assignment, again.gatherer))
                results_.send_again(step, again);
        },
        [&](wire::Recall& recall) {
            if (connected()) return work_.recall(step, recall);
            step.act(Note{.level = Level::debug, .what = "recall ignored, it is of no session"});
        },
        [&](wire::Examine& examine) { health_.doubted(step, examine.reason); },
        [&](ForOthers auto&) {
            step.act(Note{.level = Level::warn,
                          .what = "message that is not for a worker",
                          .detail = wire::name_of(message)});
        },
    };
    std::visit(owners, message);
}

// --- the session

/// The broker numbers what it sends anew, and a job's first dispatch brings its brief again.
void Core::begin_session(std::uint64_t relay_credit) {
    dispatches_.begin_session();
    relay_.begin_session(relay_credit);
    done_.begin_session();
    work_.begin_session();
    briefs_.forget_unless(
        [this](const JobId& job) { return work_.held().contains(job) || results_.keeps(job); });
}

/// The inventory. What has ended is told before, so that a fragment that is in neither is one that
/// never arrived.
void Core::say_heartbeat(Step& step) {
    flush_done(step);
    wire::Heartbeat heartbeat{.handled = dispatches_.confirm(),
                              .held = {},
                              .kept = {},
                              .stuck_slots = slots_without_work(),
                              .leaving = drain_until_.has_value() || health_.rests(),
                              .trouble = health_.reason(),
                              .unreached = walls_.list(lived_.now())};
    for (const auto& [job, held] : work_.held())
        heartbeat.held.push_back({.job = job, .ranges = held.ranges()});
    for (const auto& [job, kept] : results_.jobs())
        heartbeat.kept.push_back({.job = job, .ranges = kept.indices().ranges()});
    session_.beaten(step.now, heartbeat.held.empty() && heartbeat.kept.empty() &&
                                  heartbeat.stuck_slots == 0 && walls_.empty());
    send(step, std::move(heartbeat));
}

void Core::keep_time(Step& step) {
    health_.keep_time(step);
    const bool stood = connected();
    BrokerSession::Due due = session_.due(step.now, lived_.now());
    if (due.reconnect) {
        step.act(Note{.level = Level::warn,
                      .what = stood ? "broker is silent, connecting again"
                                    : "no answer from broker, connecting again"});
        step.act(Reconnect{});
        begin_session();
        session_.opened(step.now, lived_.now());
        due = session_.due(step.now, lived_.now());
    }
    if (due.hello) send(step, session_.hello());
    if (due.heartbeat) say_heartbeat(step);
    results_.ask_of_overdue(step, briefs_);
    if (connected()) relay_.send(step, results_, briefs_, walls_, lived_.now());
}

void Core::leave(Step& step, std::string error) {
    work_.give_back_queue(step, "worker leaves");
    if (connected()) {
        flush_done(step);
        send(step, wire::Bye{.reason = error.empty() ? "drained" : error});
    }
    step.act(Note{.level = error.empty() ? Level::info : Level::error,
                  .what = "worker leaves",
                  .detail = error});
    step.act(Leave{std::move(error)});
    session_.end();
}

void Core::take_welcome(Step& step, const wire::Welcome& message) {
    const std::optional<Epoch> before = session_.broker();
    switch (session_.welcomed(step.now, message)) {
        case BrokerSession::Greeting::again:
        case BrokerSession::Greeting::doubted: return;
        case BrokerSession::Greeting::resumed:
        case BrokerSession::Greeting::other_life: break;
    }
    const char* what = !before                   ? "connected to broker"
                       : before == message.epoch ? "connected to broker again"
                                                 : "connected to another life of the broker";
    step.act(Note{.level = Level::info, .what = what});
    begin_session(message.relay_credit);
    say_heartbeat(step);
}

void Core::take_refusal(Step& step, wire::Refused& message) {
    if (!message.job) {
        switch (session_.refused(step.now, lived_.now(), message)) {
            case BrokerSession::Refusal::version:
            case BrokerSession::Refusal::peer:
                return leave(step, "the broker refuses this worker: " + message.text);
            case BrokerSession::Refusal::unknown_session:  // after each restart of the broker
                begin_session();
                return step.act(Note{.level = Level::debug, .what = "the broker wants a Hello"});
            case BrokerSession::Refusal::other: break;
        }
    }
    step.act(Note{.level = Level::warn,
                  .what = "broker refuses",
                  .job = message.job,
                  .detail = std::move(message.text)});
}

// --- the work

void Core::take_dispatch(Step& step, wire::Dispatch& message, Slice body) {
    if (!connected() || dispatches_.is_past(message.sequence)) {
        step.act(Note{.level = Level::debug,
                      .what = "chunk ignored, its number is past",
                      .job = message.job});
        return;
    }
    if (message.sequence == std::numeric_limits<std::uint64_t>::max() || message.count == 0 ||
        message.count > limits::block_fragments ||
        message.first > std::numeric_limits<Index>::max() - message.count) {
        step.act(
            Note{.level = Level::warn, .what = "chunk that makes no sense", .job = message.job});
        return;
    }
    dispatches_.take(message.sequence);
    done_.arrived(message.sequence, body.size());
    session_.busy(step.now);
    const Chunk chunk{message.job,
                      {message.first, message.first + message.count},
                      message.attempt,
                      std::move(body)};
    if (message.brief) {
        briefs_.learn(message.job, *message.brief);
        work_.paused().erase(message.job);
    }
    const wire::JobBrief* brief = briefs_.find(message.job);
    if (brief == nullptr)
        return work_.give_back(step, chunk.job, chunk.range, "its job is not known");
    if (work_.paused().contains(chunk.job))
        return work_.give_back(step, chunk.job, chunk.range, "a fragment of its job has failed");
    if (drain_until_ && !work_.slots().has_outer_of(brief->spec))
        return work_.give_back(step, chunk.job, chunk.range, "worker drains");
    if (health_.rests() && !work_.slots().has_outer_of(brief->spec))
        return work_.give_back(step, chunk.job, chunk.range, "worker takes nothing");
    work_.take(step, chunk, brief->spec, results_.indices(chunk.job));
}

void Core::take_values(Step& step, const Values& event) {
    if (event.count == 0) return;
    health_.ran();
    const auto reported = work_.take_values(event);
    for (Range part : reported.parts) {
        auto body = cut_objects(
            event.body,
            {.total = event.count, .skip = part.begin - event.first, .count = part.size()});
        FANFOLD_CHECK(body.has_value());
        step.done.finished(
            {.job = reported.job, .range = part, .busy = event.elapsed, .bytes = body->size()});
        results_.add(step, reported.job,
                     {.range = part,
                      .meta = {.worker = options_.name,
                               .attempt = reported.attempt,
                               .started = event.started,
                               .elapsed = event.elapsed},
                      .body = *std::move(body)},
                     briefs_.at(reported.job).gatherer);
    }
}

void Core::release(Step& step, const wire::Release& message) {
    for (const wire::JobRanges& item : message.items) {
        if (briefs_.find(item.job) == nullptr) continue;
        for (Range range : item.ranges) {
            results_.release(step, item.job, range);
            work_.release(step, item.job, range);
        }
    }
}

void Core::drop(Step& step, const JobId& job) {
    if (briefs_.find(job) == nullptr) return;
    step.act(Note{.level = Level::debug, .what = "job dropped", .job = job});
    const Range all{0, std::numeric_limits<Index>::max()};
    results_.release(step, job, all);
    work_.release(step, job, all);
    work_.paused().erase(job);
    briefs_.forget(job);
}

/// At the end of each step.
void Core::settle(Step& step) {
    const Slots& slots = work_.slots();
    if (slots.all_stuck() && options_.spare_slots == 0) return leave(step, all_stuck_text(slots));
    if (drain_until_) work_.give_back_unneeded(step, briefs_, "worker drains");
    if (health_.rests()) work_.give_back_unneeded(step, briefs_, "worker takes nothing");
    if (health_.take_changed() && connected()) say_heartbeat(step);
    if (slots.all_stuck()) work_.fail_queue(step, not_run_text(slots));
    work_.start_tasks(step, briefs_, !results_.full());
    if (auto recall = work_.obeyed_recall()) done_.obeyed(*recall);
    if (done_.empty()) done_since_.reset();
    else if (!done_since_) done_since_ = step.now;
    const bool at_once = slots.has_free() || slots.any_waiting() || done_.answers_recall();
    if (done_since_ && connected() && (at_once || step.now >= *done_since_ + limits::done_patience))
        flush_done(step);
    if (drain_until_) finish_drain(step);
}

/// When all is stuck, the last slot still gets work: to tell its sender that it can't be done.
std::uint32_t Core::slots_without_work() const {
    if (options_.spare_slots == 0) return work_.slots().stuck();
    return std::min(work_.slots().lost(), std::max(options_.slots, 1u) - 1);
}

void Core::flush_done(Step& step) {
    for (DoneMessage& part : done_.take())
        step.act(SendBroker{std::move(part.message), std::move(part.body), session_.knows_marks()});
    done_since_.reset();
}

/// Results that the gatherer has not confirmed would have to run again elsewhere, so they are
/// waited for, but not for long.
void Core::finish_drain(Step& step) {
    if (work_.slots().busy() > work_.slots().stuck()) return;
    const bool confirmed = results_.empty() || !connected();
    if (confirmed || step.now >= *drain_until_) leave(step, {});
}

// --- books

std::uint64_t Core::held() const {
    std::uint64_t count = 0;
    for (const auto& [job, held] : work_.held()) count += held.size();
    return count;
}

void Core::check_invariants() const {
    work_.check_invariants();
    results_.check_invariants();
    for (const auto& [job, held] : work_.held()) {
        FANFOLD_CHECK(briefs_.find(job) != nullptr);
        for (Range range : held.ranges())
            FANFOLD_CHECK(results_.indices(job).within(range).empty());
    }
    for (const auto& [job, kept] : results_.jobs()) FANFOLD_CHECK(briefs_.find(job) != nullptr);
}

}  // namespace fanfold::worker
