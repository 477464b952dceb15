// What commands leave behind when they end: processes in the background, daemons that fled into
// sessions of their own. The guardian is a subreaper, so each of them becomes its child. They get
// half a second to a second after the end of their command, to finish what they write, and are then
// killed with all their descendants. Belongs to the guardian.
//
// Whose an orphan is, its environment's mark says; a mark is believed only if its command is older
// than the process. One without (it may have been removed) lives no longer than the commands that
// were running when it was started.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "worker/guardian/process_tree.hpp"

namespace fanfold::worker::guardian {

class Leftovers {
public:
    using Clock = std::chrono::steady_clock;
    struct Commands {
        struct Running {
            std::uint64_t id = 0;
            pid_t pid =
                0;  // 0: its own process has ended, but those that it started may still clean up
        };
        std::vector<Running> running{};
        std::set<pid_t> others{};  // children of the guardian that are no command's
    };

    /// `mark` begins the environment entry of all commands.
    explicit Leftovers(std::string mark) : mark_(std::move(mark)) {}

    /// A command has ended, and may have left something.
    void expect(Clock::time_point now);
    /// When to scan; none when nothing can be there.
    const std::optional<Clock::time_point>& due() const { return due_; }
    /// Kills what was there at the last scan, too, and belongs to no running command.
    void scan(Clock::time_point now, const Commands& commands);

private:
    bool may_live(const Process& orphan, const Commands& commands) const;

    std::string mark_;
    std::optional<Clock::time_point> due_;
    std::set<std::pair<pid_t, std::uint64_t>> seen_;  // at the last scan, by pid and start
};

}  // namespace fanfold::worker::guardian
