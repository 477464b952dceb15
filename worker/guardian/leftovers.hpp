// What commands leave behind when they end: processes in the background, daemons that fled into
// sessions of their own. The guardian is a subreaper, so each of them becomes its child. They get
// half a second to a second after the end of their command, to finish what they write. From then on
// whatever is that command's is killed when it is first seen, with all its descendants: a daemon
// that forks again and again is another process each time. Belongs to the guardian.
//
// Whose an orphan is, its mark says; it is believed only if its command is older
// than the process. One without (it may have been removed) lives no longer than the commands that
// were running when it was started.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "worker/guardian/command_marks.hpp"
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

    explicit Leftovers(const CommandMarks& marks) : marks_(marks) {}

    /// The command has ended, and may have left something, which has `grace` to go by itself.
    void expect(std::uint64_t id, Clock::time_point now, Clock::duration grace);
    /// When to scan; none when nothing can be there.
    const std::optional<Clock::time_point>& due() const { return due_; }
    /// Kills what belongs to no running command and has had its grace.
    void scan(Clock::time_point now, const Commands& commands);

private:
    enum class Verdict : std::uint8_t {
        lives,  // of a command that runs
        waits,  // it has its grace
        doomed,
    };
    static bool is_orphan(pid_t child, const Commands& commands);
    Verdict judge(const Process& orphan, const Commands& commands) const;
    void kill_doomed(const Commands& commands) const;
    bool kill_groups();

    const CommandMarks& marks_;
    std::optional<Clock::time_point> due_;
    std::map<std::uint64_t, Clock::time_point> graces_;  // until when, of ended commands
    std::set<std::uint64_t> groups_;  // of ended commands; something in them lives
    // Orphans without a mark that waited at the last scan, by pid and start.
    std::set<std::pair<pid_t, std::uint64_t>> seen_;
};

}  // namespace fanfold::worker::guardian
