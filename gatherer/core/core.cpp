#include "gatherer/core/core.hpp"

#include <algorithm>
#include <utility>

#include "gatherer/core/job.hpp"
#include "shared/base/result.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::gatherer {

namespace {

constexpr auto broker_lost_its_memory = "the broker lost its memory (it was started again)";

constexpr auto misdirected = "unexpected message dropped";

}  // namespace

Core::Core(Options options) : options_(std::move(options)), session_(options_.self) {}
Core::~Core() = default;

Core::Job* Core::find(const JobId& id) {
    auto job = jobs_.find(id);
    return job == jobs_.end() ? nullptr : job->second.get();
}

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    now_ = now;
    Step step{.now = now, .lived = clock_.advance(now), .actions = actions};
    if (std::exchange(restoring_, false)) finish_restoring(step);
    std::visit([&](auto& what) { handle(step, what); }, event);
    on_time(step);
    fetch_for_queued(step);
    make_room();
}

void Core::handle(Step& step, FromBroker& event) {
    session_.on_message(step);
    auto& message = event.message;
    if (auto* welcome = std::get_if<wire::Welcome>(&message)) on_welcome(step, *welcome);
    else if (auto* refused = std::get_if<wire::Refused>(&message))
        session_.on_refused(step, *refused);
    else if (std::holds_alternative<wire::Heartbeat>(message)) return;
    else if (auto* assign = std::get_if<wire::Assign>(&message)) on_assign(step, *assign);
    else if (auto* errors = std::get_if<wire::Errors>(&message))
        on_errors(step, std::move(*errors), event.body);
    else if (auto* ended = std::get_if<wire::Ended>(&message)) on_ended(step, *ended);
    else if (auto* forget = std::get_if<wire::Forget>(&message)) on_forget(step, forget->job);
    else if (auto* allowed = std::get_if<wire::AllowedKeys>(&message))
        on_keys(step, std::move(*allowed));
    else
        strike(step, {}, {}, misdirected,
               std::string("from the broker: ") + wire::name_of(message));
}

void Core::handle(Step& step, Received& event) {
    if (is_ignored(event.from, event.sender)) return;
    auto& message = event.message;
    if (auto* collect = std::get_if<wire::Collect>(&message))
        on_collect(step, event.from, *collect, event.sender);
    else if (auto* acknowledge = std::get_if<wire::Acknowledge>(&message))
        on_acknowledge(step, event.from, *acknowledge, event.sender);
    else if (std::holds_alternative<wire::Bye>(message)) drop_collector(step, event.from);
    else strike(step, event.from, event.sender, misdirected, wire::name_of(message));
}

void Core::handle(Step& step, Pulled& event) {
    if (is_ignored({}, event.sender)) return;
    if (auto* results = std::get_if<wire::Results>(&event.message))
        on_results(step, *results, event.body, event.sender);
    else
        strike(step, {}, event.sender, misdirected,
               std::string("at the results' socket: ") + wire::name_of(event.message));
}

void Core::handle(Step& step, Denied& event) {
    note_denied(step, event.sender, event.what);
    if (event.from.bytes.empty()) return;  // by a PULL socket there is no way back
    std::string who =
        event.sender.user.empty() ? "the key of this connection" : "user " + event.sender.user;
    step.actions.push_back(
        Send{.to = event.from,
             .message = wire::Refused{.code = wire::RefusalCode::not_allowed,
                                      .text = who + " may not send " + event.what +
                                              "; its roles: " + to_string(event.sender.roles)}});
}

void Core::handle(Step& step, Unroutable& event) { drop_collector(step, event.peer); }

void Core::handle(Step& step, Garbled& event) {
    if (is_ignored(event.from, event.sender)) return;
    strike(step, event.from, event.sender, "bytes that are no message dropped",
           std::move(event.why), event.bytes);
}

bool Core::is_ignored(const PeerId& from, const Sender& sender) const {
    return !nonsense_.ignores_nobody(now_) && nonsense_.ignores(blamed(from, sender), now_);
}

/// One more message that is nonsense. Whoever is cut off for it follows no job any more.
void Core::strike(Step& step, const PeerId& from, const Sender& sender, const char* what,
                  std::string why, std::size_t bytes) {
    auto verdict = nonsense_.count(blamed(from, sender), step.now, bytes);
    std::string text = verdict.cut_off ? cut_off_text() : std::move(why);
    if (verdict.log)
        step.actions.push_back(
            Note{.level = Level::warn,
                 .what = verdict.cut_off ? "a peer is cut off" : what,
                 .peer = to_string(from),
                 .detail = (sender.user.empty() ? "" : "user " + sender.user + ": ") + text +
                           and_more(*verdict.log)});
    if (!verdict.cut_off || from.bytes.empty()) return;
    step.actions.push_back(
        Send{.to = from,
             .message = wire::Refused{.code = wire::RefusalCode::not_allowed, .text = text}});
    drop_collector(step, from);
}

void Core::handle(Step& step, Tick&) { drop_silent_followers(step); }

// While nothing can be kept, nothing is told; what has come is stored in memory up to its limit.
void Core::handle(Step& step, StoreTrouble& event) {
    bool troubled = !event.text.empty();
    if (troubled)
        step.actions.push_back(Note{
            .level = Level::error, .what = "the state can't be written", .detail = event.text});
    if (std::exchange(troubled_, troubled) == troubled || troubled) return;
    step.actions.push_back(Note{.level = Level::info, .what = "the state can be written again"});
    if (session_.welcomed()) on_broker_resumed(step);
    for (auto& [id, job] : jobs_) pump(step, *job);
}

void Core::on_time(Step& step) {
    session_.on_time(step);
    while (auto due = timers_.take_due(step.now)) on_timer(step, due->first, due->second);
    auto expired = early_.expire(step.now);
    for (const auto& [id, count] : expired.results)
        step.actions.push_back(Note{.level = Level::warn,
                                    .what = "results of a job that nobody assigned dropped",
                                    .job = id,
                                    .detail = std::to_string(count) + " messages"});
    for (const auto& [peer, collect, sender] : expired.collects)
        step.actions.push_back(
            Send{.to = peer,
                 .message = wire::Refused{.code = wire::RefusalCode::unknown_job,
                                          .text = "gatherer " + options_.self.name +
                                                  " knows no job " + to_string(collect.job) +
                                                  ": it was forgotten, or never came here; "
                                                  "ask the broker where it is gathered",
                                          .job = collect.job}});
    if (flush_at_ && *flush_at_ <= step.now) flush_due(step);
}

void Core::on_timer(Step& step, TimerKind kind, const JobId& id) {
    Job* job = find(id);
    FANFOLD_CHECK(job != nullptr);
    switch (kind) {
        case TimerKind::deadline: settle(step, *job, true); return;
        case TimerKind::propose: send_proposal(step, *job); return;
        case TimerKind::expiry: forget(step, *job); return;
    }
}

void Core::on_welcome(Step& step, const wire::Welcome& welcome) {
    bool known = session_.broker() == welcome.epoch;
    switch (session_.on_welcome(step, welcome)) {
        case Greeting::again: break;
        case Greeting::resumed: on_broker_resumed(step); break;
        case Greeting::other_life: on_broker_gone_for_good(step); break;
    }
    // After what it means for the jobs, so that this is not missed when it is cut off here.
    if (!known && session_.broker() == welcome.epoch)
        persist(step, {}, Row::broker, 0, wire::Welcome{.epoch = welcome.epoch});
}

// What was said in the old session may be lost: everything that is safe here is told again.
void Core::on_broker_resumed(Step& step) {
    for (auto& [id, job] : jobs_) {
        if (job->answered) continue;
        for (Range range : job->assembly.received().ranges()) job->unconfirmed.add(range);
        if (!job->unconfirmed.empty()) unflushed_.insert(id);
        flush(step, *job);
        if (job->phase != Phase::gathering) send_proposal(step, *job);
    }
}

void Core::on_broker_gone_for_good(Step& step) {
    for (auto& [id, job] : jobs_) {
        if (job->phase != Phase::ended)
            conclude(step, *job,
                     {.outcome = wire::Outcome::failed, .reason = broker_lost_its_memory}, {});
        timers_.disarm(TimerKind::propose, id);
        job->answered = true;
        drop_unconfirmed(*job);
        if (std::exchange(job->orphaned, true)) continue;
        timers_.arm(TimerKind::expiry, id, step.now + options_.keep);
        job->orphaned_at = milliseconds_since_1970(step.now);
        persist(step, id, Row::orphaned, job->orphaned_at, wire::Forget{.job = id});
    }
}

Time Core::next_wakeup() const {
    Time next = session_.next(now_, clock_.now());
    for (auto other : {timers_.next(), early_.next(), flush_at_, look_for_silent_at_})
        if (other) next = std::min(next, *other);
    return next;
}

bool Core::compresses(const JobId& id) const {
    auto job = jobs_.find(id);
    return job != jobs_.end() && job->second->assembly.spec().compress;
}

std::uint64_t Core::held_bytes() const { return held_bytes_; }
std::uint64_t Core::memory_bytes() const { return memory_bytes_; }

void Core::check_invariants() const {
    for (const auto& [id, job] : jobs_) {
        FANFOLD_CHECK(job->id == id);
        job->assembly.check_invariants();
        for (Range range : job->unconfirmed.ranges())
            FANFOLD_CHECK(job->assembly.received().covers(range));
        FANFOLD_CHECK(job->unconfirmed.empty() || unflushed_.contains(id));
        FANFOLD_CHECK(job->phase != Phase::ended || job->verdict.outcome != wire::Outcome::running);
        FANFOLD_CHECK(!job->answered || job->phase == Phase::ended);
        for (const auto& [peer, collector] : job->collectors) {
            collector.check_invariants();
            FANFOLD_CHECK(!collector.concluded() || !collector.follows() ||
                          job->phase == Phase::ended);
            FANFOLD_CHECK(!collector.concluded() || collector.waits_for_acknowledgement());
        }
    }
    check_memory();
    for (const auto& id : unflushed_) FANFOLD_CHECK(jobs_.contains(id));
    FANFOLD_CHECK(!flush_at_ || !unflushed_.empty());
    early_.check_invariants();
}

}  // namespace fanfold::gatherer
