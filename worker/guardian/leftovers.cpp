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

void Leftovers::expect(Clock::time_point now) {
    if (!due_) due_ = now + limits::leftovers_interval;
}

bool Leftovers::may_live(const Process& orphan, const Commands& commands) const {
    const auto& running = commands.running;
    if (const auto entry = environment_entry(orphan.pid, mark_)) {
        std::uint64_t id = 0;
        std::from_chars(entry->data() + mark_.size(), entry->data() + entry->size(), id);
        const auto named = std::find_if(running.begin(), running.end(),
                                        [&](const auto& command) { return command.id == id; });
        if (named != running.end() && is_older(*named, orphan)) return true;
        if (named == running.end()) return false;
    }
    return std::any_of(running.begin(), running.end(),
                       [&](const auto& command) { return is_older(command, orphan); });
}

void Leftovers::scan(Clock::time_point now, const Commands& commands) {
    std::set<std::pair<pid_t, std::uint64_t>> seen;
    std::set<std::pair<pid_t, std::uint64_t>> doomed;
    bool any_orphan = false;
    for (const pid_t pid : children_of_self()) {
        const auto is_it = [&](const auto& command) { return command.pid == pid; };
        if (commands.others.contains(pid) ||
            std::any_of(commands.running.begin(), commands.running.end(), is_it))
            continue;
        const auto orphan = read_process(pid);
        if (!orphan || orphan->dead) continue;
        any_orphan = true;
        if (may_live(*orphan, commands)) continue;
        const std::pair name{orphan->pid, orphan->start};
        if (seen_.contains(name)) doomed.insert(name);
        seen.insert(name);
    }
    if (!doomed.empty())
        kill_with_descendants([&](const Process& each) {
            return doomed.contains({each.pid, each.start});
        });
    seen_ = std::move(seen);
    due_ = any_orphan ? std::optional(now + limits::leftovers_interval) : std::nullopt;
}

}  // namespace fanfold::worker::guardian
