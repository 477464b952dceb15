#include "worker/guardian/guardian.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "worker/limits.hpp"

namespace fanfold::worker::guardian {

using namespace std::chrono_literals;

namespace {
constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();
}

Guardian::Guardian(Options options)
    : marks_({.guardian = std::move(options.name), .cgroup = std::move(options.cgroup)}),
      parent_(std::move(options.parent)),
      spawner_(options.limits),
      folders_(std::move(options.folder)),
      leftovers_(marks_),
      stopped_(
          {.marks = marks_, .is_command = [this](pid_t pid) { return running_.contains(pid); }}) {
    reports_.push_back({.kind = ReportKind::ready});
}

void Guardian::run() {
    bool worker_lives = send_reports(socket_number, std::exchange(reports_, {}));
    while (worker_lives) {
        worker_lives = wait() && take_requests();
        if (signals_.take_child()) reap();
        follow_terminal();
        for (const Report& end : stopped_.settle(Clock::now())) {
            reports_.push_back(end);
            drop_folder(reports_.back());
            leftovers_.expect(end.id, Clock::now(), 0ns);
        }
        if (leftovers_.due()) scan_leftovers(Clock::now());
        if (worker_lives && !reports_.empty())
            worker_lives = send_reports(socket_number, std::exchange(reports_, {}));
    }
    kill_everything();
}

/// False when the worker is gone.
bool Guardian::wait() {
    pollfd watched[] = {{.fd = socket_number, .events = POLLIN, .revents = 0},
                        {.fd = parent_.get(), .events = POLLIN, .revents = 0}};
    const auto patience = time_to_wait();
    const timespec time{.tv_sec = patience.count() / 1'000'000'000,
                        .tv_nsec = patience.count() % 1'000'000'000};
    const int ready =
        ::ppoll(watched, 2, patience < forever ? &time : nullptr, &signals_.while_waiting());
    if (ready < 0) return errno == EINTR;
    socket_ready_ = watched[0].revents != 0;
    return (watched[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0 && watched[1].revents == 0;
}

std::chrono::nanoseconds Guardian::time_to_wait() const {
    const auto now = Clock::now();
    std::chrono::nanoseconds shortest = forever;
    if (leftovers_.due()) shortest = *leftovers_.due() - now;
    if (!stopped_.empty()) shortest = std::min(shortest, stopped_.patience(now));
    return std::max(shortest, 0ns);
}

/// False when the worker is gone.
bool Guardian::take_requests() {
    if (!std::exchange(socket_ready_, false)) return true;
    for (int count = 0; count < limits::requests_per_turn; ++count) {
        switch (receive_request(socket_number, request_)) {
            case Received::one: obey(); break;
            case Received::nothing: return true;
            case Received::closed: return false;
        }
    }
    return true;
}

void Guardian::obey() {
    switch (request_.header.kind) {
        case RequestKind::spawn: return spawn();
        case RequestKind::stop: return stop(request_.header);
    }
}

void Guardian::spawn() {
    using namespace std::chrono;
    const Running running{
        .id = request_.header.id,
        .started = duration_cast<microseconds>(system_clock::now().time_since_epoch()).count(),
        .begin = Clock::now()};
    const bool own_folder = folders_.wanted() && request_.text.front() == '\0';
    const std::string folder = own_folder ? folders_.make(running.id) : std::string();
    Spawned spawned{.kind = ReportKind::bad_folder, .error = errno};
    if (!own_folder || !folder.empty())
        spawned = spawner_.spawn(request_, {.mark = marks_.entry(running.id),
                                            .folder = folder,
                                            .group = marks_.make_group(running.id)});
    else request_ = {};
    if (spawned.pid == 0) {
        if (own_folder) (void)folders_.drop(running.id);
        marks_.drop(running.id);
        reports_.push_back({.kind = spawned.kind,
                            .value = spawned.error,
                            .id = running.id,
                            .started = running.started});
        return;
    }
    // The kernel gives a number away only once no group bears it any more.
    stopped_.forget_group(spawned.pid);
    running_.emplace(spawned.pid, running);
}

void Guardian::stop(const RequestHeader& request) {
    const auto found = std::find_if(running_.begin(), running_.end(),
                                    [&](const auto& each) { return each.second.id == request.id; });
    if (found == running_.end() || stopped_.contains(request.id)) return;
    stopped_.stop(
        {.id = request.id, .group = found->first, .grace = std::chrono::nanoseconds(request.grace)},
        Clock::now());
}

void Guardian::reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        auto ended = running_.extract(pid);
        if (!ended.empty()) take_exit(ended.mapped(), status);
        else folders_.take_remover(pid);  // or it is an orphan that came to this process
    }
}

/// What the terminal's user asks of the worker by Ctrl-Z and `fg` its commands do, too: they are in
/// sessions that no terminal controls.
void Guardian::follow_terminal() {
    if (signals_.take_stop()) {
        const std::set<pid_t>& removers = folders_.removers();
        const pid_t self = ::getpid();
        for (const Process& process : stop_with_descendants([&](const Process& each) {
                 return each.parent == self && !removers.contains(each.pid);
             }))
            resting_.push_back(process);
    }
    if (!signals_.take_continue()) return;
    for (const Process& process : std::exchange(resting_, {}))
        if (still_runs(process)) ::kill(process.pid, SIGCONT);
}

void Guardian::take_exit(const Running& running, int status) {
    const auto now = Clock::now();
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(now - running.begin);
    const Report ended{.kind = ReportKind::ended,
                       .value = status,
                       .id = running.id,
                       .started = running.started,
                       .elapsed = elapsed.count()};
    if (stopped_.contains(running.id)) {
        stopped_.take_exit(ended);
    } else {
        reports_.push_back(ended);
        drop_folder(reports_.back());
        leftovers_.expect(running.id, now, limits::leftovers_interval);
    }
}

void Guardian::drop_folder(Report& ended) {
    const std::string names = folders_.drop(ended.id);
    names.copy(ended.left, sizeof ended.left - 1);
}

void Guardian::scan_leftovers(Clock::time_point now) {
    if (now < *leftovers_.due()) return;
    Leftovers::Commands commands{.others = folders_.removers()};
    for (const auto& [pid, running] : running_)
        commands.running.push_back({.id = running.id, .pid = pid});
    for (const std::uint64_t id : stopped_.exited()) commands.running.push_back({.id = id});
    leftovers_.scan(now, commands);
}

void Guardian::kill_everything() {
    marks_.kill_all();
    for (const auto& [pid, running] : running_) ::kill(-pid, SIGKILL);
    const auto give_up = Clock::now() + limits::guardian_last_kill;
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
    marks_.drop_all();
}

}  // namespace fanfold::worker::guardian
