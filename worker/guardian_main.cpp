// fanfold-guardian: spawns a worker's command lines and kills them with all their children, on demand and when the worker
// is gone, be it by SIGKILL. One thread. A subreaper: whatever its commands leave behind becomes its own child, so that
// nothing can hide from it. It runs in a session of its own and ignores the signals that end its worker.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
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
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/guardian.hpp"
#include "worker/process_tree.hpp"
#include "worker/short_slices.hpp"
#include "worker/spawn.hpp"

namespace fanfold::worker::guardian {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int requests_per_turn = 32;   // then look after the children again
constexpr auto settle_interval = 50ms;  // between two looks at what is left of a stopped command
constexpr auto last_patience = 10s;     // with what does not die of SIGKILL, when all is over

volatile std::sig_atomic_t child_changed = 0;

extern "C" void on_child(int) { child_changed = 1; }

struct Running {
    pid_t pid = 0;  // also its process group
    std::uint64_t id = 0;
    std::int64_t started = 0;
    Clock::time_point begin;
};

/// A command on its way out: its end is reported once nothing of it is left, at the latest after the grace and a SIGKILL.
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
    Guardian(std::string name, Descriptor parent) : name_(std::move(name)), parent_(std::move(parent)) {
        reports_.push_back({.kind = ReportKind::ready});
    }

    /// Returns when the worker is gone and everything that it started is dead.
    void run(const sigset_t& while_waiting) {
        bool worker_lives = send_reports(socket_number, std::exchange(reports_, {}));
        while (worker_lives) {
            worker_lives = wait(while_waiting) && take_requests();
            if (std::exchange(child_changed, 0) != 0) reap();
            if (!stopping_.empty()) settle(Clock::now());
            if (worker_lives && !reports_.empty()) {
                worker_lives = send_reports(socket_number, reports_);
                reports_.clear();
            }
        }
        kill_everything();
    }

private:
    bool wait(const sigset_t& while_waiting) {
        pollfd watched[] = {{.fd = socket_number, .events = POLLIN, .revents = 0}, {.fd = parent_.get(), .events = POLLIN, .revents = 0}};
        const auto patience = time_to_settle();
        const timespec time{.tv_sec = patience.count() / 1'000'000'000, .tv_nsec = patience.count() % 1'000'000'000};
        const int ready = ::ppoll(watched, 2, stopping_.empty() ? nullptr : &time, &while_waiting);
        if (ready < 0) return errno == EINTR;
        socket_ready_ = watched[0].revents != 0;
        return (watched[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0 && watched[1].revents == 0;
    }

    std::chrono::nanoseconds time_to_settle() const {
        if (stopping_.empty()) return 0ns;
        const auto now = Clock::now();
        std::chrono::nanoseconds shortest = 1h;
        for (const auto& [id, stopping] : stopping_) {
            if (stopping.exited) shortest = std::min<std::chrono::nanoseconds>(shortest, settle_interval);
            if (!stopping.killed) shortest = std::min<std::chrono::nanoseconds>(shortest, stopping.deadline - now);
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
            case RequestKind::spawn: spawn(); break;
            case RequestKind::stop: stop(request_.header.id, std::chrono::nanoseconds(request_.header.grace)); break;
        }
    }

    void spawn() {
        using namespace std::chrono;
        const std::uint64_t id = request_.header.id;
        Running running{
            .id = id, .started = duration_cast<microseconds>(system_clock::now().time_since_epoch()).count(), .begin = Clock::now()};
        const Spawned spawned = spawner_.spawn(request_, mark_of(name_, id));
        if (spawned.pid == 0) {
            reports_.push_back({.kind = spawned.kind, .value = spawned.error, .id = id, .started = running.started});
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
        const auto found = std::find_if(running_.begin(), running_.end(), [&](const auto& each) { return each.second.id == id; });
        if (found == running_.end() || stopping_.contains(id)) return;
        Stopping& stopping = stopping_[id];
        stopping.group = found->first;
        stopping.deadline = Clock::now() + grace;
        if (grace == 0ns) return;  // settle() kills it in this turn
        stopping.kin = find_with_descendants([&](const Process& process) { return is_kin(process, id, stopping); });
        for (const Process& process : stopping.kin) ::kill(process.pid, SIGTERM);
        for (const Process& process : stopping.kin) ::kill(process.pid, SIGCONT);
    }

    /// Its group's members, who was of it when it was stopped, and orphans that bear its mark.
    bool is_kin(const Process& process, std::uint64_t id, const Stopping& stopping) const {
        if (stopping.group != 0 && process.group == stopping.group) return true;
        const auto is_same = [&](const Process& other) { return other.pid == process.pid && other.start == process.start; };
        if (std::any_of(stopping.kin.begin(), stopping.kin.end(), is_same)) return true;
        const bool orphan = process.parent == ::getpid() && !running_.contains(process.pid);
        return orphan && environment_has(process.pid, mark_of(name_, id));
    }

    void reap() {
        int status = 0;
        for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            const auto found = running_.find(pid);
            if (found == running_.end()) continue;  // an orphan that we adopted
            const Running& running = found->second;
            const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - running.begin);
            Report report{
                .kind = ReportKind::ended, .value = status, .id = running.id, .started = running.started, .elapsed = elapsed.count()};
            const auto stopping = stopping_.find(running.id);
            if (stopping == stopping_.end()) {
                reports_.push_back(report);
            } else {
                report.stopped = 1;
                stopping->second.exited = true;
                stopping->second.report = report;
            }
            running_.erase(found);
        }
    }

    void settle(Clock::time_point now) {
        for (auto each = stopping_.begin(); each != stopping_.end();) {
            const std::uint64_t id = each->first;
            Stopping& stopping = each->second;
            bool over = stopping.exited && (stopping.killed || !any_left(stopping));
            if (!over && !stopping.killed && now >= stopping.deadline) {
                kill_with_descendants([&](const Process& process) { return is_kin(process, id, stopping); });
                stopping.killed = true;
                over = stopping.exited;
            }
            if (over) reports_.push_back(stopping.report);
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
            if (pid < 0 && errno == ECHILD) return;
            ::poll(nullptr, 0, 5);
        }
    }

    const std::string name_;
    const Descriptor parent_;
    Spawner spawner_;
    Request request_;
    bool socket_ready_ = false;
    std::unordered_map<pid_t, Running> running_;
    std::map<std::uint64_t, Stopping> stopping_;  // by the command's id
    std::vector<Report> reports_;                 // not yet sent
};

/// Returns the signals to block while waiting. Until then all but SIGCHLD are blocked, since the runner starts us so.
sigset_t set_up_signals() {
    struct sigaction action {};
    action.sa_handler = SIG_IGN;
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP}) {
        ::sigaction(number, &action, nullptr);
    }
    action.sa_handler = on_child;
    action.sa_flags = SA_NOCLDSTOP;
    ::sigaction(SIGCHLD, &action, nullptr);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_SETMASK, &child, nullptr);
    sigset_t none;
    sigemptyset(&none);
    return none;
}

/// Readable when the worker has ended, even if a fork of it still holds the socket. Not open where the kernel is too old,
/// which leaves the socket alone to tell.
Descriptor watch_parent(pid_t parent) {
    Descriptor watch(static_cast<int>(::syscall(SYS_pidfd_open, parent, 0)));
    if (::getppid() != parent) std::exit(EXIT_SUCCESS);
    return watch;
}

int guard(const std::string& name, pid_t parent) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::fcntl(socket_number, F_SETFD, FD_CLOEXEC);
    const sigset_t while_waiting = set_up_signals();
    ask_for_short_slices();
    Guardian(name, watch_parent(parent)).run(while_waiting);
    return EXIT_SUCCESS;
}

}  // namespace
}  // namespace fanfold::worker::guardian

int main(int count, char** arguments) {
    using namespace fanfold::worker::guardian;
    if (count != argument_count || std::string_view(arguments[argument_version]) != wire_version) {
        std::fprintf(stderr, "fanfold-guardian: fanfold-worker starts this program; the two must be of one build (wire %s)\n",
                     wire_version);
        return 2;
    }
    const std::string_view parent_text(arguments[argument_parent]);
    pid_t parent = 0;
    std::from_chars(parent_text.data(), parent_text.data() + parent_text.size(), parent);
    return guard(arguments[argument_name], parent);
}
