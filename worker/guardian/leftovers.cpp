#include "worker/guardian/leftovers.hpp"

#include <unistd.h>

#include <algorithm>

#include "worker/limits.hpp"

namespace fanfold::worker::guardian {

namespace {

bool is_older(const Leftovers::Commands::Running& command, const Process& than) {
    if (command.pid == 0) return true;
    const auto leader = read_process(command.pid);
    return leader && leader->start <= than.start;
}

}  // namespace

void Leftovers::expect(std::uint64_t id, Clock::time_point now, Clock::duration grace) {
    graces_[id] = now + grace;
    if (!marks_.drop(id)) groups_.insert(id);
    if (!due_ || now + grace < *due_) due_ = now + grace;
}

bool Leftovers::is_orphan(pid_t child, const Commands& commands) {
    return !commands.others.contains(child) &&
           std::none_of(commands.running.begin(), commands.running.end(),
                        [&](const auto& command) { return command.pid == child; });
}

Leftovers::Verdict Leftovers::judge(const Process& orphan, const Commands& commands) const {
    const auto& running = commands.running;
    if (const auto owner = marks_.owner(orphan.pid)) {
        const auto named = std::find_if(running.begin(), running.end(),
                                        [&](const auto& command) { return command.id == *owner; });
        if (named == running.end())
            return graces_.contains(*owner) ? Verdict::waits : Verdict::doomed;
        if (is_older(*named, orphan)) return Verdict::lives;
    }
    if (std::any_of(running.begin(), running.end(),
                    [&](const auto& command) { return is_older(command, orphan); }))
        return Verdict::lives;
    const bool had_grace = graces_.empty() || seen_.contains({orphan.pid, orphan.start});
    return had_grace ? Verdict::doomed : Verdict::waits;
}

void Leftovers::scan(Clock::time_point now, const Commands& commands) {
    std::erase_if(graces_, [&](const auto& grace) { return grace.second <= now; });
    std::set<std::pair<pid_t, std::uint64_t>> seen;
    bool any_orphan = false;
    bool any_doomed = kill_groups();
    for (const pid_t pid : children_of_self()) {
        if (!is_orphan(pid, commands)) continue;
        any_orphan = true;  // if it is dead already, its children come to this process
        const auto orphan = read_process(pid);
        if (!orphan || orphan->dead) continue;
        const Verdict verdict = judge(*orphan, commands);
        if (verdict == Verdict::waits) seen.insert({orphan->pid, orphan->start});
        if (verdict == Verdict::doomed) any_doomed = true;
    }
    if (any_doomed) kill_doomed(commands);
    seen_ = std::move(seen);
    due_.reset();
    if (any_orphan || !groups_.empty())
        due_ = now + (any_doomed ? limits::settle_interval : limits::leftovers_interval);
}

/// Whether any has had its grace.
bool Leftovers::kill_groups() {
    bool any = false;
    std::erase_if(groups_, [&](std::uint64_t id) {
        if (marks_.drop(id)) return true;
        if (graces_.contains(id)) return false;
        any = true;
        marks_.kill(id);
        return marks_.drop(id);
    });
    return any;
}

/// Judges anew in each round: meanwhile others may have come in the place of those that were found.
void Leftovers::kill_doomed(const Commands& commands) const {
    const pid_t self = ::getpid();
    kill_with_descendants([&](const Process& each) {
        return each.parent == self && !each.dead && is_orphan(each.pid, commands) &&
               judge(each, commands) == Verdict::doomed;
    });
}

}  // namespace fanfold::worker::guardian
