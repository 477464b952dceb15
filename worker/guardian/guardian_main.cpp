// fanfold-guardian: spawns a worker's command lines and kills them with all their children, on
// demand and when the worker is gone, be it by SIGKILL. One thread. A subreaper: whatever its
// commands leave behind becomes its own child, so that nothing can hide from it. It runs in a
// session of its own and ignores the signals that end its worker.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/guardian/guardian_protocol.hpp"
#include "worker/guardian/leftovers.hpp"
#include "worker/guardian/process_tree.hpp"
#include "worker/guardian/short_slices.hpp"
#include "worker/guardian/spawn.hpp"
#include "worker/guardian/work_folders.hpp"

namespace fanfold::worker::guardian {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int requests_per_turn = 32;  // then look after the children again
constexpr auto report_patience =
    2ms;  // with the end of a command after which others have begun already
constexpr std::size_t most_withdrawn = 10'000;
constexpr auto settle_interval = 50ms;  // between two looks at what is left of a stopped command
constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();
constexpr auto last_patience = 10s;  // with what does not die of SIGKILL, when all is over

volatile std::sig_atomic_t child_changed = 0;

extern "C" void on_child(int) { child_changed = 1; }

struct Running {
    pid_t pid = 0;  // also its process group
    std::uint64_t id = 0;
    std::int64_t started = 0;
    Clock::time_point begin;
};

/// A command on its way out: its end is reported once nothing of it is left, at the latest after
/// the grace and a SIGKILL.
struct Stopping {
    pid_t group = 0;           // 0 once the number has been given to another command
    std::vector<Process> kin;  // at the time of the stop
    Clock::time_point deadline;
    bool killed = false;
    bool exited = false;  // the command's own process; then `report` is filled
    Report report;
};

class Guardian {
public:
    Guardian(std::string name, Descriptor parent, const CommandLimits& limits, std::string folder)
        : name_(std::move(name)),
          parent_(std::move(parent)),
          spawner_(limits),
          folders_(std::move(folder)),
          leftovers_(mark_of(name_)) {
        reports_.push_back({.kind = ReportKind::ready});
    }

    /// Returns when the worker is gone and everything that it started is dead.
    void run(const sigset_t& while_waiting) {
        bool worker_lives = send_reports(socket_number, std::exchange(reports_, {}));
        while (worker_lives) {
            worker_lives = wait(while_waiting) && take_requests();
            if (std::exchange(child_changed, 0) != 0) reap();
            if (!stopping_.empty()) settle(Clock::now());
            if (leftovers_.due()) look_for_leftovers(Clock::now());
            if (worker_lives && !reports_.empty() &&
                (reports_due_ == Clock::time_point::min() || reports_due_ <= Clock::now())) {
                worker_lives = send_reports(socket_number, reports_);
                reports_.clear();
                reports_due_ = Clock::time_point::max();
            }
        }
        kill_everything();
    }

private:
    bool wait(const sigset_t& while_waiting) {
        pollfd watched[] = {{.fd = socket_number, .events = POLLIN, .revents = 0},
                            {.fd = parent_.get(), .events = POLLIN, .revents = 0}};
        const auto patience = time_to_wait();
        const timespec time{.tv_sec = patience.count() / 1'000'000'000,
                            .tv_nsec = patience.count() % 1'000'000'000};
        const int ready = ::ppoll(watched, 2, patience < forever ? &time : nullptr, &while_waiting);
        if (ready < 0) return errno == EINTR;
        socket_ready_ = watched[0].revents != 0;
        return (watched[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0 &&
               watched[1].revents == 0;
    }

    std::chrono::nanoseconds time_to_wait() const {
        if (stopping_.empty() && reports_.empty() && !leftovers_.due()) return forever;
        const auto now = Clock::now();
        std::chrono::nanoseconds shortest = 1h;
        if (leftovers_.due()) shortest = *leftovers_.due() - now;
        if (!reports_.empty())
            shortest = std::min<std::chrono::nanoseconds>(shortest, reports_due_ - now);
        for (const auto& [id, stopping] : stopping_) {
            if (stopping.exited)
                shortest = std::min<std::chrono::nanoseconds>(shortest, settle_interval);
            if (!stopping.killed)
                shortest = std::min<std::chrono::nanoseconds>(shortest, stopping.deadline - now);
        }
        return std::max(shortest, 0ns);
    }

    bool take_requests() {
        if (!std::exchange(socket_ready_, false)) return true;
        for (int count = 0; count < requests_per_turn; ++count) {
            switch (receive_request(socket_number, request_)) {
                case Received::one: obey(); break;
                case Received::nothing: return true;
                case Received::closed: return false;
            }
        }
        return true;
    }

    void obey() {
        switch (request_.header.kind) {
            case RequestKind::spawn: take_command(); break;
            case RequestKind::withdraw: withdraw(request_.header.id); break;
            case RequestKind::stop:
                stop(request_.header.id, std::chrono::nanoseconds(request_.header.grace));
                break;
        }
    }

    bool runs(std::uint64_t id) const {
        return std::any_of(running_.begin(), running_.end(),
                           [&](const auto& each) { return each.second.id == id; });
    }

    /// What waits for a command to end.
    auto find_next(std::uint64_t id) {
        return std::find_if(next_.begin(), next_.end(),
                            [&](const auto& each) { return each.second.header.id == id; });
    }

    void take_command() {
        const std::uint64_t after = request_.header.after;
        if (withdrawn_.contains(after)) return forget(std::exchange(request_, {}).header.id);
        if (after != 0 && (runs(after) || find_next(after) != next_.end()))
            next_[after] = std::exchange(request_, {});
        else spawn(request_);
    }

    /// With what was to follow it.
    void withdraw(std::uint64_t id) {
        for (auto found = find_next(id); found != next_.end(); found = next_.find(id)) {
            id = found->second.header.id;
            next_.erase(found);
            forget(id);
        }
    }

    /// What is to follow it may still be on its way, and is not to begin either.
    void forget(std::uint64_t id) {
        withdrawn_.insert(id);
        if (withdrawn_.size() > most_withdrawn) withdrawn_.erase(withdrawn_.begin());
        report({.kind = ReportKind::withdrawn, .id = id});
    }

    /// True when yet another command waits for the one that has begun.
    bool begin_next_after(std::uint64_t id) {
        if (next_.empty()) return false;
        auto next = next_.extract(id);
        if (next.empty()) return false;
        const std::uint64_t begun = next.mapped().header.id;
        spawn(next.mapped());
        return next_.contains(begun);
    }

    /// What the runner need not know at once waits for more, so that it is not woken for each
    /// command.
    void report(const Report& report, Clock::time_point due = Clock::time_point::min()) {
        reports_.push_back(report);
        reports_due_ = std::min(reports_due_, due);
    }

    void spawn(Request& request) {
        using namespace std::chrono;
        const std::uint64_t id = request.header.id;
        Running running{
            .id = id,
            .started = duration_cast<microseconds>(system_clock::now().time_since_epoch()).count(),
            .begin = Clock::now()};
        const bool own_folder = folders_.wanted() && request.text.front() == '\0';
        const std::string folder = own_folder ? folders_.make(id) : std::string();
        Spawned spawned{.kind = ReportKind::bad_folder, .error = errno};
        if (!own_folder || !folder.empty())
            spawned = spawner_.spawn(request, mark_of(name_, id), folder);
        else request = {};
        if (spawned.pid == 0) {
            if (own_folder) folders_.drop(id);
            report({.kind = spawned.kind,
                    .value = spawned.error,
                    .id = id,
                    .started = running.started});
            begin_next_after(id);
            return;
        }
        // The kernel gives a number away only once no group bears it any more.
        for (auto& [other, stopping] : stopping_) {
            if (stopping.group == spawned.pid) stopping.group = 0;
        }
        running.pid = spawned.pid;
        running_.emplace(spawned.pid, running);
    }

    void stop(std::uint64_t id, std::chrono::nanoseconds grace) {
        if (const auto waiting = find_next(id); waiting != next_.end()) {
            next_.erase(waiting);
            report({.kind = ReportKind::ended, .value = SIGKILL, .id = id, .stopped = 1});
            if (const auto after = next_.find(id); after != next_.end())
                withdraw(after->second.header.id);
            return;
        }
        const auto found = std::find_if(running_.begin(), running_.end(),
                                        [&](const auto& each) { return each.second.id == id; });
        if (found == running_.end() || stopping_.contains(id)) return;
        Stopping& stopping = stopping_[id];
        stopping.group = found->first;
        stopping.deadline = Clock::now() + grace;
        if (grace == 0ns) return;  // settle() kills it in this turn
        stopping.kin = find_with_descendants(
            [&](const Process& process) { return is_kin(process, id, stopping); });
        for (const Process& process : stopping.kin) ::kill(process.pid, SIGTERM);
        for (const Process& process : stopping.kin) ::kill(process.pid, SIGCONT);
    }

    /// Its group's members, who was of it when it was stopped, and orphans that bear its mark.
    bool is_kin(const Process& process, std::uint64_t id, const Stopping& stopping) const {
        if (stopping.group != 0 && process.group == stopping.group) return true;
        const auto is_same = [&](const Process& other) {
            return other.pid == process.pid && other.start == process.start;
        };
        if (std::any_of(stopping.kin.begin(), stopping.kin.end(), is_same)) return true;
        const bool orphan = process.parent == ::getpid() && !running_.contains(process.pid);
        return orphan && environment_has(process.pid, mark_of(name_, id));
    }

    void reap() {
        int status = 0;
        for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            const auto found = running_.find(pid);
            if (found == running_.end()) {  // an orphan that we adopted
                folders_.take_remover(pid);
                continue;
            }
            const Running& running = found->second;
            const auto elapsed =
                std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - running.begin);
            Report ended{.kind = ReportKind::ended,
                         .value = status,
                         .id = running.id,
                         .started = running.started,
                         .elapsed = elapsed.count()};
            std::optional<Report> finished;
            const auto stopping = stopping_.find(running.id);
            if (stopping == stopping_.end()) {
                finished = ended;
                folders_.drop(running.id);
            } else {
                ended.stopped = 1;
                stopping->second.exited = true;
                stopping->second.report = ended;
            }
            running_.erase(found);
            if (finished) report(*finished, Clock::time_point::max());
            const bool more_follow = begin_next_after(ended.id);
            if (finished)
                reports_due_ = std::min(reports_due_, more_follow ? Clock::now() + report_patience
                                                                  : Clock::time_point::min());
            leftovers_.expect(Clock::now());
        }
    }

    void look_for_leftovers(Clock::time_point now) {
        if (now < *leftovers_.due()) return;
        Leftovers::Commands commands{.others = folders_.removers()};
        for (const auto& [pid, running] : running_)
            commands.running.push_back({.id = running.id, .pid = pid});
        for (const auto& [id, stopping] : stopping_) {
            if (stopping.exited) commands.running.push_back({.id = id});
        }
        leftovers_.look(now, commands);
    }

    void settle(Clock::time_point now) {
        for (auto each = stopping_.begin(); each != stopping_.end();) {
            const std::uint64_t id = each->first;
            Stopping& stopping = each->second;
            bool over = stopping.exited && (stopping.killed || !any_left(stopping));
            if (!over && !stopping.killed && now >= stopping.deadline) {
                kill_with_descendants(
                    [&](const Process& process) { return is_kin(process, id, stopping); });
                stopping.killed = true;
                over = stopping.exited;
            }
            if (over) {
                report(stopping.report);
                folders_.drop(id);
            }
            each = over ? stopping_.erase(each) : std::next(each);
        }
    }

    static bool any_left(const Stopping& stopping) {
        if (stopping.group != 0 && ::kill(-stopping.group, 0) == 0) return true;
        return std::any_of(stopping.kin.begin(), stopping.kin.end(), still_runs);
    }

    void kill_everything() {
        for (const auto& [pid, running] : running_) ::kill(-pid, SIGKILL);
        const auto give_up = Clock::now() + last_patience;
        const pid_t self = ::getpid();
        while (Clock::now() < give_up) {
            kill_with_descendants([&](const Process& process) { return process.parent == self; });
            pid_t pid = 0;
            while ((pid = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
            }
            if (pid < 0 && errno == ECHILD) break;
            ::poll(nullptr, 0, 5);
        }
        folders_.drop_all();
    }

    const std::string name_;
    const Descriptor parent_;
    Spawner spawner_;
    WorkFolders folders_;
    Leftovers leftovers_;
    Request request_;
    bool socket_ready_ = false;
    std::set<std::uint64_t> withdrawn_;  // the last of them, by id
    std::unordered_map<pid_t, Running> running_;
    std::map<std::uint64_t, Stopping> stopping_;  // by the command's id
    std::unordered_map<std::uint64_t, Request>
        next_;                     // by the id of the command after which each begins
    std::vector<Report> reports_;  // not yet sent
    Clock::time_point reports_due_ = Clock::time_point::max();
};

/// Returns the signals to block while waiting. Until then all are blocked, since the runner starts
/// us so: what would end its worker does not reach us, and no command inherits a signal that is
/// ignored.
sigset_t set_up_signals() {
    struct sigaction action {};
    action.sa_handler = on_child;
    action.sa_flags = SA_NOCLDSTOP;
    ::sigaction(SIGCHLD, &action, nullptr);
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    sigdelset(&all, SIGCHLD);
    return all;
}

/// Readable when the worker has ended, even if a fork of it still holds the socket. Not open where
/// the kernel is too old, which leaves the socket alone to tell.
Descriptor watch_parent(pid_t parent) {
    Descriptor watch(static_cast<int>(::syscall(SYS_pidfd_open, parent, 0)));
    if (::getppid() != parent) std::exit(EXIT_SUCCESS);
    return watch;
}

/// Whatever the system would do with a dump: one is the size at which it is not even handed to a
/// program.
void forbid_core_dumps() {
    const rlimit none{.rlim_cur = 1, .rlim_max = 1};
    ::setrlimit(RLIMIT_CORE, &none);
}

std::uint64_t number_of(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

int guard(char** arguments) {
    const auto parent = static_cast<pid_t>(number_of(arguments[argument_parent]));
    const CommandLimits limits{.memory = number_of(arguments[argument_memory]),
                               .cpu = number_of(arguments[argument_cpu]),
                               .files = number_of(arguments[argument_files])};
    forbid_core_dumps();
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::fcntl(socket_number, F_SETFD, FD_CLOEXEC);
    const sigset_t while_waiting = set_up_signals();
    ask_for_short_slices();
    Guardian(arguments[argument_name], watch_parent(parent), limits, arguments[argument_folder])
        .run(while_waiting);
    return EXIT_SUCCESS;
}

}  // namespace
}  // namespace fanfold::worker::guardian

int main(int count, char** arguments) {
    using namespace fanfold::worker::guardian;
    if (count != argument_count || std::string_view(arguments[argument_version]) != wire_version) {
        std::fprintf(stderr,
                     "fanfold-guardian: fanfold-worker starts this program; the two must be of one "
                     "build (wire %s)\n",
                     wire_version);
        return 2;
    }
    return guard(arguments);
}
