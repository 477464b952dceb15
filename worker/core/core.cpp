#include "worker/core/core.hpp"

#include <algorithm>
#include <utility>

#include "shared/events/idling.hpp"

namespace fanfold::worker {

namespace {

constexpr Duration hello_again = std::chrono::seconds(1);

/// What only other roles are sent.
template <class T>
constexpr bool is_for_worker =
    std::is_same_v<T, wire::Welcome> || std::is_same_v<T, wire::Refused> ||
    std::is_same_v<T, wire::Heartbeat> || std::is_same_v<T, wire::Dispatch> ||
    std::is_same_v<T, wire::Release> || std::is_same_v<T, wire::Drop> ||
    std::is_same_v<T, wire::SendAgain> || std::is_same_v<T, wire::Recall>;

}  // namespace

Core::Core(Options options) : options_(std::move(options)) {
    options_.slots = std::max(options_.slots, 1u);
    std::sort(options_.functions.begin(), options_.functions.end());
    slots_.resize(options_.slots);
}

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    if (phase_ == Phase::left) return;
    now_ = now;
    actions_ = &actions;
    lived_.advance(now);
    if (phase_ == Phase::unborn) {
        begin_session();
        resend_check_at_ = now;
    }
    std::visit([this](auto& what) { on_event(what); }, event);
    if (phase_ != Phase::left) keep_time();
    if (phase_ != Phase::left) settle();
    actions_ = nullptr;
}

Time Core::next_wakeup() const {
    if (phase_ == Phase::unborn) return now_;
    if (phase_ == Phase::left) return Time::max();
    Time next = now_ + std::max(Duration(0), timeout_ - (lived_.now() - heard_));
    if (phase_ == Phase::greeting) next = std::min(next, hello_at_);
    else next = std::min(next, heartbeat_at_);
    if (done_since_ && phase_ == Phase::standing)
        next = std::min(next, *done_since_ + done_patience);
    if (full_since_ && !queue_.empty()) next = std::min(next, *full_since_ + full_patience);
    if (kept_bytes_ > 0) next = std::min(next, resend_check_at_);
    if (draining_ && drain_until_ > now_) next = std::min(next, drain_until_);
    return next;
}

// --- the session
// ----------------------------------------------------------------------------------------------

/// A fresh connection, or a broker that has forgotten us: its dispatches are numbered from 1 again.
void Core::begin_session() {
    phase_ = Phase::greeting;
    heard_ = lived_.now();
    number_from_one();
    // A new session's first dispatch of a job brings its brief again, so those that nothing hangs
    // on need not stay.
    std::erase_if(jobs_, [](const auto& item) {
        return item.second.held.empty() && item.second.kept.empty();
    });
    say_hello();
}

/// The broker numbers what it sends anew.
void Core::number_from_one() {
    seen_.clear();
    handled_ = told_ = recall_ = 0;
    done_.begin_session();
    for (Slot& slot : slots_) slot.recalled.clear();
}

void Core::say_hello() {
    hello_at_ = now_ + hello_again;
    send(wire::Hello{.role = wire::Role::worker,
                     .name = options_.name,
                     .epoch = options_.epoch,
                     .slots = options_.slots,
                     .functions = options_.functions,
                     .gatherer = {},
                     .idempotent = options_.idempotent,
                     .labels = options_.labels,
                     .resources = options_.resources});
}

/// The inventory. What has ended is told before, so that a fragment that is in neither is one that
/// never arrived.
void Core::say_heartbeat() {
    flush_done();
    wire::Heartbeat heartbeat{
        .handled = handled_, .held = {}, .kept = {}, .stuck_slots = stuck_slots()};
    for (const auto& [id, job] : jobs_) {
        if (!job.held.empty()) heartbeat.held.push_back({.job = id, .ranges = job.held.ranges()});
        if (!job.kept.empty())
            heartbeat.kept.push_back({.job = id, .ranges = job.kept.indices().ranges()});
    }
    told_ = handled_;
    beaten_ = now_;
    nothing_to_tell_ =
        heartbeat.held.empty() && heartbeat.kept.empty() && heartbeat.stuck_slots == 0;
    heartbeat_at_ =
        now_ + (nothing_to_tell_ ? idle_beats(heartbeat_, timeout_) * heartbeat_ + heartbeat_ / 4
                                 : heartbeat_);
    send(std::move(heartbeat));
}

void Core::keep_time() {
    if (lived_.now() - heard_ >= timeout_) {
        bool stood = phase_ == Phase::standing;
        note({.level = Level::warn,
              .what = stood ? "broker is silent, connecting again"
                            : "no answer from broker, connecting again"});
        actions_->push_back(Reconnect{});
        begin_session();
    } else if (phase_ == Phase::greeting && now_ >= hello_at_) {
        say_hello();
    } else if (phase_ == Phase::standing && now_ >= heartbeat_at_) {
        say_heartbeat();
    }
    if (now_ >= resend_check_at_) resend_overdue();
}

void Core::leave(std::string error) {
    give_back_queue("worker leaves");
    if (phase_ == Phase::standing) {
        flush_done();
        send(wire::Bye{.reason = error.empty() ? "drained" : error});
    }
    note({.level = error.empty() ? Level::info : Level::error,
          .what = "worker leaves",
          .detail = error});
    actions_->push_back(Leave{std::move(error)});
    phase_ = Phase::left;
}

void Core::send(wire::Message message, Slice body) {
    actions_->push_back(SendBroker{std::move(message), std::move(body)});
}

// --- events
// ---------------------------------------------------------------------------------------------------

void Core::on_event(FromBroker& event) {
    heard_ = lived_.now();
    std::visit(
        [&]<class T>(T& message) {
            if constexpr (is_for_worker<T>) on_message(message, event.body);
            else
                note({.level = Level::warn,
                      .what = "message that is not for a worker",
                      .detail = wire::name_of(event.message)});
        },
        event.message);
}

void Core::on_event(Garbled& event) {
    note({.level = Level::warn,
          .what = "bytes that are no message",
          .detail = std::move(event.why)});
}

void Core::on_event(Tick&) {}

void Core::on_event(Drain&) {
    if (draining_) return;
    draining_ = true;
    drain_until_ = now_ + drain_patience;
    note({.level = Level::info, .what = "draining"});
}

void Core::on_message(wire::Welcome& message, Slice&) {
    if (message.heartbeat.count() > 0) heartbeat_ = message.heartbeat;
    if (message.timeout.count() > 0) timeout_ = message.timeout;
    bool same = broker_ == message.epoch;
    if (phase_ == Phase::standing && same) return;
    if (phase_ == Phase::standing) number_from_one();
    const char* what = !broker_ ? "connected to broker"
                       : same   ? "connected to broker again"
                                : "connected to another life of the broker";
    note({.level = Level::info, .what = what});
    phase_ = Phase::standing;
    broker_ = message.epoch;
    say_heartbeat();
}

void Core::on_message(wire::Refused& message, Slice&) {
    if (message.job) {
        note({.level = Level::warn,
              .what = "broker refuses",
              .job = message.job,
              .detail = std::move(message.text)});
        return;
    }
    switch (message.code) {
        case wire::RefusalCode::version:
        case wire::RefusalCode::not_allowed:
        case wire::RefusalCode::conflict:
            return leave("the broker refuses this worker: " + message.text);
        case wire::RefusalCode::malformed:
            // A broker that does not know this session says so; while greeting, the Hello that it
            // asks for is on its way.
            note({.level = Level::warn,
                  .what = "broker refuses",
                  .detail = std::move(message.text)});
            if (phase_ == Phase::standing) begin_session();
            return;
        case wire::RefusalCode::unknown_job:
        case wire::RefusalCode::too_large:
        case wire::RefusalCode::no_gatherer:
        case wire::RefusalCode::no_function:
        case wire::RefusalCode::overloaded:
            note({.level = Level::warn,
                  .what = "broker refuses",
                  .detail = std::move(message.text)});
            return;
    }
}

/// Who is awake anyway answers, and has not to wake up once more. How often is up to the broker
/// then: it beats more often when it believes that this worker has something.
void Core::on_message(wire::Heartbeat&, Slice&) {
    if (phase_ == Phase::standing && nothing_to_tell_ && now_ - beaten_ >= heartbeat_ / 2)
        say_heartbeat();
}

}  // namespace fanfold::worker
