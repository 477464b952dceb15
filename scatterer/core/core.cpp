// The session with the broker: hello, heartbeats, silence, other lives of the broker.
#include "scatterer/core/core.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::scatterer {

namespace {
using namespace std::chrono_literals;
constexpr Duration hello_again = 1s;
constexpr Duration hello_apart = 100ms;     // answers to many messages at once make one hello
constexpr Duration check_interval = 100ms;  // jobs are looked after so often
constexpr Duration shortest_heartbeat = 10ms;

std::string in_seconds(Duration duration) {
    auto tenths = duration / 100ms;
    std::string text = std::to_string(tenths / 10);
    if (tenths % 10 != 0) text += "." + std::to_string(tenths % 10);
    return text + "s";
}
}  // namespace

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    now_ = now;
    actions_ = &actions;
    lived_.advance(now);
    std::visit([this](auto& one) { on(one); }, event);
    actions_ = nullptr;
}

Time Core::next_wakeup() const {
    // Liveness is counted in lived time, which is never ahead of the clock.
    Time next = std::min(hello_at_, heartbeat_at_);
    auto in_lived_time = [&](LivedTime lived) {
        next = std::min(next, now_ + (lived - lived_.now()));
    };
    if (waiting_since_) in_lived_time(*waiting_since_ + options_.connect_timeout);
    if (connected()) in_lived_time(heard_ + Duration(welcome_->timeout));
    if (reconnect_at_ != LivedTime::max()) in_lived_time(reconnect_at_);
    if (connected() && !(jobs_.empty() && questions_.empty())) next = std::min(next, check_at_);
    return next;
}

void Core::on(const ControlOpened& event) {
    self_ = event.self;
    if (!waiting_since_ && !connected()) waiting_since_ = lived_.now();
    say_hello();
}

void Core::say_hello() {
    hello_at_ = now_ + hello_again;
    wire::Hello hello;
    hello.role = wire::Role::client;
    hello.name = options_.name;
    hello.epoch = options_.epoch;
    send(std::move(hello));
}

void Core::on(FromBroker& event) {
    heard_ = lived_.now();
    std::visit(
        [this](const auto& message) {
            using M = std::decay_t<decltype(message)>;
            if constexpr (std::is_same_v<M, wire::Heartbeat>) return;
            else if constexpr (requires { on_broker(message); }) on_broker(message);
            else
                actions_->push_back(Note{.level = Level::warn,
                                         .what = "a message that brokers don't send",
                                         .detail = wire::name_of(message)});
        },
        event.message);
}

void Core::on_broker(const wire::Welcome& welcome) {
    if (phase_ == Phase::refused) return;
    // One of an earlier life may be late on its way. A broker that really went back says it again.
    bool earlier =
        welcome_ && welcome.epoch.number > 0 && welcome.epoch.number < welcome_->epoch.number;
    if (earlier && std::exchange(doubted_, welcome.epoch) != welcome.epoch) return say_hello();
    doubted_.reset();
    bool news = hello_at_ != Time::max();
    bool other_life = welcome_ && welcome_->epoch != welcome.epoch;
    bool forgot = welcome_ && lost_memory(welcome_->epoch, welcome.epoch);
    hello_at_ = Time::max();
    reconnect_at_ = LivedTime::max();
    waiting_since_.reset();
    gatherers_ = welcome.gatherers;
    if (!news && !other_life) return;  // an answer to a hello that we had given up
    if (phase_ == Phase::reconnecting)
        actions_->push_back(
            Note{.level = Level::info, .what = "the broker is back", .peer = options_.broker});
    welcome_ = welcome;
    phase_ = Phase::connected;
    heartbeat_at_ = now_ + std::max<Duration>(welcome.heartbeat, shortest_heartbeat);
    if (forgot)
        for (auto& [job, entry] : jobs_) {
            if (entry.concluded) continue;
            wire::Concluded end{.job = job, .outcome = wire::Outcome::failed};
            end.reason = "the broker lost its memory (it was started again)";
            if (entry.collection) {
                end.values = entry.collection->values();
                end.failures = entry.collection->failures();
            }
            if (entry.own) lost_[job] = now_;
            conclude(job, entry, std::move(end));
        }
    actions_->push_back(Connected{welcome});
    resume();
}

void Core::resume() {
    for (auto& [job, entry] : jobs_) {
        if (entry.concluded) continue;
        if (entry.submission) entry.submission->start_over(now_);
        // Whatever was said of the job in between went to a connection that is no more.
        if (!entry.submission || entry.submission->known()) entry.watch_at = now_;
        entry.cancel_at = now_;
    }
    for (auto& [number, asked] : questions_) asked.ask_at = now_;
    look_after_jobs();
}

void Core::on_broker(const wire::Refused& refused) {
    if (refused.job) return on_refused_job(*refused.job, refused);
    switch (refused.code) {
        case wire::RefusalCode::malformed:
            // It does not know this connection, or no longer.
            if (phase_ != Phase::refused &&
                (hello_at_ == Time::max() || hello_at_ - now_ < hello_again - hello_apart))
                say_hello();
            return;
        case wire::RefusalCode::version:
        case wire::RefusalCode::not_allowed:
            return connection_failed(Phase::refused, refused.text);  // nor any later one
        case wire::RefusalCode::unknown_job:
        case wire::RefusalCode::too_large:
        case wire::RefusalCode::no_gatherer:
        case wire::RefusalCode::conflict:
        case wire::RefusalCode::no_function:
        case wire::RefusalCode::overloaded: break;
    }
    if (!connected())
        return connection_failed(Phase::refused, refused.text);  // it refused the hello
    actions_->push_back(
        Note{.level = Level::warn, .what = "refused by the broker", .detail = refused.text});
}

void Core::on(const Garbled& event) {
    actions_->push_back(Note{.level = Level::warn,
                             .what = "bytes that are no message",
                             .peer = to_string(event.from),
                             .detail = event.why});
}

void Core::on(const Tick&) {
    check_session();
    if (connected() && now_ >= check_at_) look_after_jobs();
}

void Core::look_after_jobs() {
    check_at_ = now_ + check_interval;
    ask_again();
    for (auto& [job, entry] : jobs_) {
        tick(job, entry);
        pump(job, entry);
    }
    forget_finished();
}

void Core::check_session() {
    if (phase_ == Phase::refused) return;
    LivedTime lived = lived_.now();
    if (connected() && lived - heard_ >= Duration(welcome_->timeout)) {
        std::string text = "the broker at " + options_.broker + " is silent, reconnecting";
        actions_->push_back(Note{.level = Level::warn,
                                 .what = "the broker is silent, reconnecting",
                                 .peer = options_.broker});
        for (auto& [job, entry] : jobs_)
            if (!entry.concluded && !entry.closed) actions_->push_back(JobNotice{job, text});
        phase_ = Phase::reconnecting;
        waiting_since_ = lived;
        heartbeat_at_ = Time::max();
        reconnect_at_ = lived;
    }
    if (lived >= reconnect_at_) {
        reconnect_at_ = lived + Duration(welcome_->timeout);
        hello_at_ = now_ + hello_again;
        actions_->push_back(Reconnect{});
    }
    if (waiting_since_ && lived - *waiting_since_ >= options_.connect_timeout) {
        bool never = phase_ == Phase::connecting;
        waiting_since_.reset();
        connection_failed(Phase::gone,
                          never ? "no broker answers at " + options_.broker +
                                      "; is it running? (waited " +
                                      in_seconds(options_.connect_timeout) + ")"
                                : "the broker at " + options_.broker +
                                      " is gone: it fell silent and did not come back in " +
                                      in_seconds(options_.connect_timeout));
    }
    if (now_ >= hello_at_) say_hello();
    if (connected() && now_ >= heartbeat_at_) {
        heartbeat_at_ = now_ + std::max<Duration>(welcome_->heartbeat, shortest_heartbeat);
        send(wire::Heartbeat{});
    }
}

void Core::connection_failed(Phase phase, const std::string& text) {
    if (phase_ == Phase::refused) return;
    phase_ = phase;
    failure_ = text;
    waiting_since_.reset();
    heartbeat_at_ = Time::max();
    if (phase == Phase::refused) {
        hello_at_ = Time::max();
        reconnect_at_ = LivedTime::max();
    }
    actions_->push_back(Note{.level = Level::error,
                             .what = "no connection to the broker",
                             .peer = options_.broker,
                             .detail = text});
    for (auto& [job, entry] : jobs_) {
        if (entry.submission && (entry.submission->attached() || !entry.submission->done()) &&
            entry.submission->key().empty())
            lost_[job] = now_;
        refuse(job, entry, text);
    }
    for (auto& [number, asked] : std::exchange(questions_, {}))
        if (!asked.about) actions_->push_back(Answer{number, fail(text)});
    actions_->push_back(ConnectionFailed{text});
}

void Core::on(const Leave&) {
    if (!connected()) return;
    for (auto& [job, entry] : jobs_) {
        if (entry.concluded) continue;
        bool ours = entry.submission && entry.submission->begun() && entry.submission->attached();
        if (ours && !entry.ended && !entry.cancel) entry.cancel = "its client has ended";
        if (entry.cancel && !entry.ended) send(wire::Cancel{.job = job, .reason = *entry.cancel});
    }
    send(wire::Bye{.reason = "the client has ended"});
}

void Core::check_invariants() const {
    FANFOLD_CHECK(!connected() || welcome_.has_value());
    FANFOLD_CHECK(connected() || heartbeat_at_ == Time::max());
    for (const auto& [job, entry] : jobs_) {
        if (entry.submission) entry.submission->check_invariants();
        if (entry.collection) entry.collection->check_invariants();
        FANFOLD_CHECK(!entry.concluded || !entry.submission);
    }
    for (const auto& [number, asked] : questions_) {
        if (const auto* query = std::get_if<wire::Query>(&asked.question))
            FANFOLD_CHECK(number == query->number);
        if (const auto* find = std::get_if<wire::Find>(&asked.question))
            FANFOLD_CHECK(number == find->number);
    }
}

}  // namespace fanfold::scatterer
