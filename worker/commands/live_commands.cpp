#include "worker/commands/live_commands.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <climits>

#include "shared/base/machine.hpp"
#include "shared/base/result.hpp"

namespace fanfold::worker {

LiveCommands::LiveCommands(Poller& poller, Options options)
    : options_(std::move(options)),
      poller_(poller),
      guardian_(poller, guardian_event, options_.containment) {}

void LiveCommands::flush() {
    while (!guardian_.flush()) guardian_died();
}

void LiveCommands::wait(Wait how) {
    bool guardian_spoke = false;
    const int patience = how == Wait::no_longer ? 0 : milliseconds_left();
    for (const epoll_event& event : poller_.wait(patience)) {
        if (event.data.u64 == guardian_event) guardian_spoke = true;
        else handle(event.data.u64, event.events);
    }
    if (guardian_spoke) hear_guardian();
    if (!timers_.empty()) fire_timers();
    if (!unwatched_.empty()) watch_due();
}

void LiveCommands::begin(Command command) {
    if (std::string flaw = flaw_of(command); !flaw.empty())
        return end_unstarted(command.id, CommandEnd::How::not_started, std::move(flaw));
    auto prepared = try_to_prepare(command);
    if (!prepared)
        return end_unstarted(command.id, CommandEnd::How::not_started,
                             std::move(prepared.error().text), wire::TroubleKind::worker);
    const std::uint64_t sequence = next_sequence_++;
    const bool is_new = sequences_.emplace(command.id, sequence).second;
    FANFOLD_CHECK(is_new && "the id of a command is unique among the running ones");
    prepared->request.header.id = sequence;
    guardian_.push(std::move(prepared->request));
    Running& running = running_[sequence];
    running = std::move(prepared->running);
    running.started = microseconds_since_1970();
    running.begin = std::chrono::steady_clock::now();
    unwatched_.push_back({running.begin + limits::watch_output_after, sequence});
    if (command.input) {
        write_input(running);
        if (running.in.open())
            poller_.watch(running.in.get(), EPOLLOUT, event_of(sequence, Source::in));
    }
    if (command.timeout > Duration::zero())
        set_timer(sequence, running, running.begin + command.timeout);
}

Result<Prepared> LiveCommands::try_to_prepare(Command& command) {
    if (!guardian_.open()) {
        if (auto started = guardian_.start(options_.guardian); !started)
            return tl::unexpected(started.error());
    }
    return prepare(command);
}

void LiveCommands::abort(std::uint64_t id) {
    const auto found = sequences_.find(id);
    if (found != sequences_.end())
        stop(found->second, running_.at(found->second), CommandEnd::How::aborted);
}

/// The first reason counts.
void LiveCommands::stop(std::uint64_t sequence, Running& running, CommandEnd::How why) {
    if (running.asked_to_stop || running.ended) return;
    running.asked_to_stop = true;
    running.why = why;
    guardian::Request request;
    request.header = {.kind = guardian::RequestKind::stop,
                      .id = sequence,
                      .grace = static_cast<std::uint64_t>(
                          std::max(options_.kill_grace, Duration::zero()).count())};
    guardian_.push(std::move(request));
}

void LiveCommands::handle(std::uint64_t event, std::uint32_t flags) {
    if (event == wake_event) return poller_.take_wakes();
    const std::uint64_t sequence = event >> 2;
    const auto found = running_.find(sequence);
    if (found == running_.end()) return;
    Running& running = found->second;
    const auto until =
        (flags & EPOLLHUP) != 0 ? OutputReader::Until::end : OutputReader::Until::has_paused;
    switch (static_cast<Source>(event & 3)) {
        case Source::out: read_stream(sequence, running, running.out, until); break;
        case Source::err: read_stream(sequence, running, running.err, until); break;
        case Source::in: write_input(running); break;
        case Source::own: break;
    }
    finish_if_over(sequence, running);
}

void LiveCommands::read_stream(std::uint64_t sequence, Running& running, Stream& stream,
                               OutputReader::Until until) {
    if (!reader_.read(stream, running.max_output, until)) return;
    running.over_limit = true;
    stop(sequence, running, CommandEnd::How::over_limit);
}

void LiveCommands::read_rest(std::uint64_t sequence, Running& running) {
    for (Stream* stream : {&running.out, &running.err})
        read_stream(sequence, running, *stream, OutputReader::Until::end);
}

void LiveCommands::watch_output(std::uint64_t sequence, Running& running) {
    if (std::exchange(running.watched, true)) return;
    if (running.out.pipe.open())
        poller_.watch(running.out.pipe.get(), EPOLLIN, event_of(sequence, Source::out));
    if (running.err.pipe.open())
        poller_.watch(running.err.pipe.get(), EPOLLIN, event_of(sequence, Source::err));
}

void LiveCommands::watch_due() {
    const Time now = std::chrono::steady_clock::now();
    while (!unwatched_.empty() && unwatched_.front().first <= now) {
        const std::uint64_t sequence = unwatched_.front().second;
        unwatched_.pop_front();
        const auto found = running_.find(sequence);
        if (found != running_.end()) watch_output(sequence, found->second);
    }
}

// --- the guardian

void LiveCommands::hear_guardian() {
    if (!guardian_.open()) return;
    reports_.clear();
    const bool lives = guardian_.receive(reports_);
    for (const guardian::Report& report : reports_) take_report(report);
    if (!lives) guardian_died();
}

void LiveCommands::take_report(const guardian::Report& report) {
    const auto found = running_.find(report.id);
    if (report.kind == guardian::ReportKind::ready || found == running_.end()) return;
    Running& running = found->second;
    running.ended = true;
    running.report = report;
    running.in.close();
    if (report.kind != guardian::ReportKind::ended) return finish(found->first, running);
    read_rest(found->first, running);
    if (!running.out.pipe.open() && !running.err.pipe.open()) return finish(found->first, running);
    set_timer(found->first, running,
              std::chrono::steady_clock::now() + limits::background_patience);
    watch_output(found->first, running);
}

/// What ran has lost its parent: kills it, ends it, and starts another guardian for what comes.
void LiveCommands::guardian_died() {
    const std::set<std::uint64_t> unsent = guardian_.clean_up();
    std::vector<std::uint64_t> lost;
    for (const auto& [sequence, running] : running_) {
        if (!unsent.contains(sequence) || running.ended) lost.push_back(sequence);
    }
    for (const std::uint64_t sequence : lost) end_early(sequence, CommandEnd::How::signaled);
    const auto started = guardian_.start(options_.guardian);
    if (started) return;
    guardian_.drop_unsent();
    for (const std::uint64_t sequence : unsent) {
        end_early(sequence, CommandEnd::How::not_started, started.error().text);
    }
}

// --- ends

void LiveCommands::finish_if_over(std::uint64_t sequence, Running& running) {
    if (running.ended && !running.out.pipe.open() && !running.err.pipe.open())
        finish(sequence, running);
}

void LiveCommands::finish(std::uint64_t sequence, Running& running) {
    CommandEnd end = end_of(running);
    if (end.how == CommandEnd::How::exited && end.exit_code != 0 && !guardian_.has_space()) {
        end.trouble = wire::TroubleKind::worker;
        end.message = running.program + " failed, and there is no space for files in TMPDIR";
    }
    forget(sequence, running);
    options_.on_end(std::move(end));
}

/// For commands whose end the guardian will never report.
void LiveCommands::end_early(std::uint64_t sequence, CommandEnd::How how, std::string message) {
    Running& running = running_.at(sequence);
    if (running.ended) return finish(sequence, running);
    read_rest(sequence, running);
    CommandEnd end = early_end_of(running, how, std::move(message));
    forget(sequence, running);
    options_.on_end(std::move(end));
}

void LiveCommands::end_unstarted(std::uint64_t id, CommandEnd::How how, std::string message,
                                 std::optional<wire::TroubleKind> trouble) {
    options_.on_end({.id = id,
                     .how = how,
                     .out = {},
                     .err = {},
                     .trouble = trouble,
                     .message = std::move(message),
                     .started = microseconds_since_1970()});
}

void LiveCommands::forget(std::uint64_t sequence, Running& running) {
    timers_.erase({running.due, sequence});
    sequences_.erase(running.id);
    running_.erase(sequence);
}

void LiveCommands::refuse(const Command& command) {
    end_unstarted(command.id, CommandEnd::How::aborted, "the command runner has ended");
}

/// The guardian kills what has had its grace, and says when nothing of it is left.
void LiveCommands::await_stopped() {
    const Time give_up =
        std::chrono::steady_clock::now() + options_.kill_grace + limits::background_patience;
    for (auto& [sequence, running] : running_) {
        stop(sequence, running, CommandEnd::How::aborted);
        set_timer(sequence, running, give_up);
    }
    const auto runs = [](const auto& each) { return !each.second.ended; };
    while (std::any_of(running_.begin(), running_.end(), runs) &&
           std::chrono::steady_clock::now() < give_up) {
        flush();
        wait(Wait::for_events);
    }
}

void LiveCommands::abort_all() {
    if (options_.containment.grace_at_end) await_stopped();
    guardian_.end();
    while (!running_.empty()) end_early(running_.begin()->first, CommandEnd::How::aborted);
}

// --- time

void LiveCommands::set_timer(std::uint64_t sequence, Running& running, Time due) {
    timers_.erase({running.due, sequence});
    running.due = due;
    timers_.emplace(due, sequence);
}

int LiveCommands::milliseconds_left() {
    while (!unwatched_.empty() && !running_.contains(unwatched_.front().second))
        unwatched_.pop_front();
    Time next = timers_.empty() ? Time::max() : timers_.begin()->first;
    if (!unwatched_.empty()) next = std::min(next, unwatched_.front().first);
    if (next == Time::max()) return -1;
    const auto left = next - std::chrono::steady_clock::now();
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::clamp<long long>(rounded, 0, INT_MAX));
}

void LiveCommands::fire_timers() {
    const Time now = std::chrono::steady_clock::now();
    while (!timers_.empty() && timers_.begin()->first <= now) {
        const std::uint64_t sequence = timers_.begin()->second;
        timers_.erase(timers_.begin());
        Running& running = running_.at(sequence);
        running.due = Time::max();
        if (running.ended) finish(sequence, running);
        else stop(sequence, running, CommandEnd::How::timed_out);
    }
}

}  // namespace fanfold::worker
