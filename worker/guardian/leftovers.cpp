#include "worker/guardian/leftovers.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>

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
    if (!due_ || now + grace < *due_) due_ = now + grace;
}

bool Leftovers::is_orphan(pid_t child, const Commands& commands) {
    return !commands.others.contains(child) &&
           std::none_of(commands.running.begin(), commands.running.end(),
                        [&](const auto& command) { return command.pid == child; });
}

Leftovers::Verdict Leftovers::judge(const Process& orphan, const Commands& commands) const {
    const auto& running = commands.running;
    if (const auto entry = environment_entry(orphan.pid, mark_)) {
        std::uint64_t id = 0;
        std::from_chars(entry->data() + mark_.size(), entry->data() + entry->size(), id);
        const auto named = std::find_if(running.begin(), running.end(),
                                        [&](const auto& command) { return command.id == id; });
        if (named == running.end()) return graces_.contains(id) ? Verdict::waits : Verdict::doomed;
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
    bool any_doomed = false;
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
    if (any_orphan)
        due_ = now + (any_doomed ? limits::settle_interval : limits::leftovers_interval);
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
