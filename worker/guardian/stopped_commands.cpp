#include "worker/guardian/stopped_commands.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "worker/limits.hpp"

namespace fanfold::worker::guardian {

using namespace std::chrono_literals;

void StoppedCommands::stop(const Stop& what, Clock::time_point now) {
    Stopped& stopped = stopped_[what.id];
    stopped.group = what.group;
    stopped.deadline = now + what.grace;
    if (what.grace == 0ns) return;  // settle() kills it in this turn
    stopped.kin = find_with_descendants(
        [&](const Process& process) { return is_kin(process, what.id, stopped); });
    for (const Process& process : stopped.kin) ::kill(process.pid, SIGTERM);
    for (const Process& process : stopped.kin) ::kill(process.pid, SIGCONT);
}

/// Kin are the group's members, the command's descendants when it was stopped, and orphans that
/// bear its mark.
bool StoppedCommands::is_kin(const Process& process, std::uint64_t id,
                             const Stopped& stopped) const {
    if (stopped.group != 0 && process.group == stopped.group) return true;
    const auto is_same = [&](const Process& other) {
        return other.pid == process.pid && other.start == process.start;
    };
    if (std::any_of(stopped.kin.begin(), stopped.kin.end(), is_same)) return true;
    const bool orphan = process.parent == ::getpid() && !options_.is_command(process.pid);
    return orphan && options_.marks.owner(process.pid) == id;
}

bool StoppedCommands::any_left(const Stopped& stopped) {
    if (stopped.group != 0 && ::kill(-stopped.group, 0) == 0) return true;
    return std::any_of(stopped.kin.begin(), stopped.kin.end(), still_runs);
}

void StoppedCommands::take_exit(const Report& ended) {
    Stopped& stopped = stopped_.at(ended.id);
    stopped.exited = true;
    stopped.report = ended;
    stopped.report.stopped = 1;
}

std::vector<Report> StoppedCommands::settle(Clock::time_point now) {
    std::vector<Report> ends;
    for (auto& each : stopped_) {
        const std::uint64_t id = each.first;
        Stopped& stopped = each.second;
        bool over = stopped.exited && (stopped.killed || !any_left(stopped));
        if (!over && !stopped.killed && now >= stopped.deadline) {
            options_.marks.kill(id);
            kill_with_descendants(
                [&](const Process& process) { return is_kin(process, id, stopped); });
            stopped.killed = true;
            over = stopped.exited;
        }
        if (over) ends.push_back(stopped.report);
    }
    for (const Report& end : ends) stopped_.erase(end.id);
    return ends;
}

std::chrono::nanoseconds StoppedCommands::patience(Clock::time_point now) const {
    std::chrono::nanoseconds shortest = 1h;
    for (const auto& [id, stopped] : stopped_) {
        if (stopped.exited)
            shortest = std::min<std::chrono::nanoseconds>(shortest, limits::settle_interval);
        if (!stopped.killed)
            shortest = std::min<std::chrono::nanoseconds>(shortest, stopped.deadline - now);
    }
    return shortest;
}

std::vector<std::uint64_t> StoppedCommands::exited() const {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, stopped] : stopped_) {
        if (stopped.exited) ids.push_back(id);
    }
    return ids;
}

void StoppedCommands::forget_group(pid_t group) {
    for (auto& [id, stopped] : stopped_) {
        if (stopped.group == group) stopped.group = 0;
    }
}

}  // namespace fanfold::worker::guardian
