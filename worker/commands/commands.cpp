#include "worker/commands/commands.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "shared/base/result.hpp"
#include "worker/commands/command_pipes.hpp"
#include "worker/commands/running_command.hpp"
#include "worker/guardian/guardian_channel.hpp"
#include "worker/guardian/guardian_protocol.hpp"
#include "worker/guardian/poller.hpp"
#include "worker/guardian/short_slices.hpp"

namespace fanfold::worker {
namespace {

using std::chrono::microseconds;

// Output is watched from then on. Most commands have ended before, and what they wrote waits in the
// pipes: it is read at their end, and a command costs no wake-up for each of its streams.
constexpr Duration watch_after = std::chrono::milliseconds(5);
constexpr Duration background_patience =
    std::chrono::seconds(1);  // with output held open after a command's exit

// What an epoll event is about: a command's stream, or one of the runner's own two.
enum class Source : std::uint64_t { out = 0, err = 1, in = 2, own = 3 };
constexpr std::uint64_t wake_event = 3;  // sequences count from 2, so no command has these two
constexpr std::uint64_t guardian_event = 7;
constexpr std::uint64_t first_sequence = 2;

constexpr std::uint64_t event_of(std::uint64_t sequence, Source source) {
    return sequence << 2 | static_cast<std::uint64_t>(source);
}

microseconds wall_clock() {
    return std::chrono::duration_cast<microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace

class CommandRunner::State {
public:
    explicit State(Options options) : options_(std::move(options)) {
        if (options_.guardian.empty()) options_.guardian = find_guardian();
        if (options_.guardian.empty()) {
            throw StartupError(
                "cannot find the program fanfold-guardian beside this one; name it with "
                "FANFOLD_GUARDIAN");
        }
        if (auto opened = poller_.open(wake_event); !opened)
            throw StartupError(opened.error().text);
        if (auto started = guardian_.start(options_.guardian); !started)
            throw StartupError(started.error().text);
        start_thread();
    }

    ~State() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        poller_.wake();
        thread_.join();
    }

    void start(Command command) {
        post([&] { starts_.push_back(std::move(command)); });
    }

    void abort(std::uint64_t id) {
        post([&] { aborts_.push_back(id); });
    }

private:
    // --- any thread
    // -------------------------------------------------------------------------------------------

    template <class Change>
    void post(const Change& change) {
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            first = starts_.empty() && aborts_.empty();
            change();
        }
        if (std::this_thread::get_id() == thread_.get_id()) posted_here_ = true;
        else if (first) poller_.wake();
    }

    /// With all signals blocked: the program's handlers run on its own threads, and a command that
    /// does not read its standard input must not raise SIGPIPE here.
    void start_thread() {
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        // The thread must not look at thread_ before it is assigned.
        const std::lock_guard lock(mutex_);
        thread_ = std::thread([this] { run(); });
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    // --- the runner's thread
    // ----------------------------------------------------------------------------------

    void run() {
        ask_for_short_slices();
        while (take_inbox()) {
            while (!guardian_.flush()) guardian_died();
            if (options_.on_pause) options_.on_pause();
            bool guardian_spoke = false;
            for (const epoll_event& event : poller_.wait(milliseconds_left())) {
                if (event.data.u64 == guardian_event) guardian_spoke = true;
                else handle(event.data.u64, event.events);
            }
            if (guardian_spoke) hear_guardian();
            if (!timers_.empty()) fire_timers();
            if (!unwatched_.empty()) watch_due();
        }
        end_all();
    }

    /// False when the runner is to end.
    bool take_inbox() {
        std::vector<Command> starts;
        std::vector<std::uint64_t> aborts;
        while (true) {
            posted_here_ = false;
            {
                const std::lock_guard lock(mutex_);
                if (stop_) return false;
                starts.swap(starts_);
                aborts.swap(aborts_);
            }
            if (starts.empty() && aborts.empty()) return true;
            for (Command& command : starts) begin(std::move(command));
            for (const std::uint64_t id : aborts) abort_running(id);
            starts.clear();
            aborts.clear();
        }
    }

    void begin(Command command) {
        auto prepared = try_to_prepare(command);
        if (!prepared)
            return end_unstarted(command.id, CommandEnd::How::not_started,
                                 std::move(prepared.error().text));
        const std::uint64_t sequence = next_sequence_++;
        const auto before = command.after == 0 ? sequences_.end() : sequences_.find(command.after);
        const std::uint64_t after = before == sequences_.end() ? 0 : before->second;
        const bool is_new = sequences_.emplace(command.id, sequence).second;
        FANFOLD_CHECK(is_new && "the id of a command is unique among the running ones");
        prepared->request.header.id = sequence;
        prepared->request.header.after = after;
        guardian_.push(std::move(prepared->request));
        Running& running = running_[sequence];
        running = std::move(prepared->running);
        running.started = wall_clock();
        running.begin = std::chrono::steady_clock::now();
        running.after = after;
        unwatched_.push_back({running.begin + watch_after, sequence});
        if (command.input) {
            write_input(running);
            if (running.in.open())
                poller_.watch(running.in.get(), EPOLLOUT, event_of(sequence, Source::in));
        }
        if (command.timeout > Duration::zero())
            set_timer(sequence, running, running.begin + command.timeout);
    }

    Result<Prepared> try_to_prepare(Command& command) {
        if (std::string flaw = flaw_of(command); !flaw.empty()) return fail(std::move(flaw));
        if (!guardian_.open()) {
            if (auto started = guardian_.start(options_.guardian); !started)
                return tl::unexpected(started.error());
        }
        return prepare(command);
    }

    void abort_running(std::uint64_t id) {
        const auto found = sequences_.find(id);
        if (found != sequences_.end())
            stop(found->second, running_.at(found->second), CommandEnd::How::aborted);
    }

    /// The first reason counts.
    void stop(std::uint64_t sequence, Running& running, CommandEnd::How why) {
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

    void handle(std::uint64_t event, std::uint32_t flags) {
        if (event == wake_event) return poller_.take_wakes();
        const std::uint64_t sequence = event >> 2;
        const auto found = running_.find(sequence);
        if (found == running_.end()) return;
        Running& running = found->second;
        const auto until =
            (flags & EPOLLHUP) != 0 ? OutputReader::Until::end : OutputReader::Until::has_paused;
        switch (static_cast<Source>(event & 3)) {
            case Source::out: read_output(sequence, running, running.out, until); break;
            case Source::err: read_output(sequence, running, running.err, until); break;
            case Source::in: write_input(running); break;
            case Source::own: break;
        }
        finish_if_over(sequence, running);
    }

    void read_output(std::uint64_t sequence, Running& running, Stream& stream,
                     OutputReader::Until until) {
        if (!reader_.read(stream, running.max_output, until)) return;
        running.over_limit = true;
        stop(sequence, running, CommandEnd::How::over_limit);
    }

    void watch_output(std::uint64_t sequence, Running& running) {
        if (std::exchange(running.watched, true)) return;
        if (running.out.pipe.open())
            poller_.watch(running.out.pipe.get(), EPOLLIN, event_of(sequence, Source::out));
        if (running.err.pipe.open())
            poller_.watch(running.err.pipe.get(), EPOLLIN, event_of(sequence, Source::err));
    }

    void watch_due() {
        const Time now = std::chrono::steady_clock::now();
        while (!unwatched_.empty() && unwatched_.front().first <= now) {
            const std::uint64_t sequence = unwatched_.front().second;
            unwatched_.pop_front();
            const auto found = running_.find(sequence);
            if (found == running_.end()) continue;
            watch_output(sequence, found->second);
            // It was to follow a short one.
            if (running_.contains(found->second.after)) withdraw(sequence);
        }
    }

    void withdraw(std::uint64_t sequence) {
        guardian::Request request;
        request.header = {.kind = guardian::RequestKind::withdraw, .id = sequence};
        guardian_.push(std::move(request));
    }

    // --- the guardian
    // -----------------------------------------------------------------------------------------

    void hear_guardian() {
        if (!guardian_.open()) return;
        reports_.clear();
        const bool lives = guardian_.receive(reports_);
        for (const guardian::Report& report : reports_) take_report(report);
        if (!lives) guardian_died();
    }

    void take_report(const guardian::Report& report) {
        const auto found = running_.find(report.id);
        if (report.kind == guardian::ReportKind::ready || found == running_.end()) return;
        Running& running = found->second;
        running.ended = true;
        running.report = report;
        running.in.close();
        if (report.kind != guardian::ReportKind::ended) return finish(found->first, running);
        for (Stream* stream : {&running.out, &running.err})
            read_output(found->first, running, *stream, OutputReader::Until::end);
        if (!running.out.pipe.open() && !running.err.pipe.open())
            return finish(found->first, running);
        set_timer(found->first, running, std::chrono::steady_clock::now() + background_patience);
        watch_output(found->first, running);
    }

    /// What ran has lost its parent: kills it, ends it, and starts another guardian for what comes.
    void guardian_died() {
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
    // -------------------------------------------------------------------------------------------------

    void finish_if_over(std::uint64_t sequence, Running& running) {
        if (running.ended && !running.out.pipe.open() && !running.err.pipe.open())
            finish(sequence, running);
    }

    void finish(std::uint64_t sequence, Running& running) {
        CommandEnd end = end_of(running);
        forget(sequence, running);
        options_.on_end(std::move(end));
    }

    /// For commands whose end the guardian will never report.
    void end_early(std::uint64_t sequence, CommandEnd::How how, std::string message = {}) {
        Running& running = running_.at(sequence);
        if (running.ended) return finish(sequence, running);
        for (Stream* stream : {&running.out, &running.err})
            read_output(sequence, running, *stream, OutputReader::Until::end);
        CommandEnd end = early_end_of(running, how, std::move(message));
        forget(sequence, running);
        options_.on_end(std::move(end));
    }

    void end_unstarted(std::uint64_t id, CommandEnd::How how, std::string message) {
        options_.on_end({.id = id,
                         .how = how,
                         .out = {},
                         .err = {},
                         .message = std::move(message),
                         .started = wall_clock()});
    }

    void forget(std::uint64_t sequence, Running& running) {
        timers_.erase({running.due, sequence});
        sequences_.erase(running.id);
        running_.erase(sequence);
    }

    void end_all() {
        guardian_.end();
        while (!running_.empty()) end_early(running_.begin()->first, CommandEnd::How::aborted);
        while (true) {
            std::vector<Command> starts;
            {
                const std::lock_guard lock(mutex_);
                starts.swap(starts_);
            }
            if (starts.empty()) return;
            for (const Command& command : starts) {
                end_unstarted(command.id, CommandEnd::How::aborted, "the command runner has ended");
            }
        }
    }

    // --- time
    // -------------------------------------------------------------------------------------------------

    void set_timer(std::uint64_t sequence, Running& running, Time due) {
        timers_.erase({running.due, sequence});
        running.due = due;
        timers_.emplace(due, sequence);
    }

    int milliseconds_left() {
        if (posted_here_) return 0;
        while (!unwatched_.empty() && !running_.contains(unwatched_.front().second))
            unwatched_.pop_front();
        Time next = timers_.empty() ? Time::max() : timers_.begin()->first;
        if (!unwatched_.empty()) next = std::min(next, unwatched_.front().first);
        if (next == Time::max()) return -1;
        const auto left = next - std::chrono::steady_clock::now();
        const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        return static_cast<int>(std::clamp<long long>(rounded, 0, INT_MAX));
    }

    void fire_timers() {
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

    Options options_;
    Poller poller_;

    std::mutex mutex_;  // guards the three below, which any thread may touch
    std::vector<Command> starts_;
    std::vector<std::uint64_t> aborts_;
    bool stop_ = false;

    bool posted_here_ =
        false;  // by on_end, on the runner's own thread, since it looked into the inbox
    guardian::Channel guardian_{poller_, guardian_event, options_.containment};
    std::vector<guardian::Report> reports_;
    std::map<std::uint64_t, Running> running_;  // by sequence, the guardian's word for them
    std::unordered_map<std::uint64_t, std::uint64_t> sequences_;  // by the caller's id
    std::uint64_t next_sequence_ = first_sequence;
    std::set<std::pair<Time, std::uint64_t>> timers_;
    std::deque<std::pair<Time, std::uint64_t>>
        unwatched_;  // when to watch the output of which, in the order of their begin
    OutputReader reader_;

    std::thread thread_;
};

CommandRunner::CommandRunner(Options options)
    : state_(std::make_unique<State>(std::move(options))) {}
CommandRunner::~CommandRunner() = default;
void CommandRunner::start(Command command) { state_->start(std::move(command)); }
void CommandRunner::abort(std::uint64_t id) { state_->abort(id); }

}  // namespace fanfold::worker
