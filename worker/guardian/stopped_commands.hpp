// Commands on their way out: each gets SIGTERM and a grace, then SIGKILL, with all its descendants.
// Its end is reported once nothing of it is left, or it was killed. Belongs to the guardian.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "worker/guardian/command_marks.hpp"
#include "worker/guardian/guardian_protocol.hpp"
#include "worker/guardian/process_tree.hpp"

namespace fanfold::worker::guardian {

class StoppedCommands {
public:
    using Clock = std::chrono::steady_clock;

    struct Options {
        const CommandMarks& marks;
        std::function<bool(pid_t)> is_command;  // whether that child is a command's own process
    };
    explicit StoppedCommands(Options options) : options_(std::move(options)) {}

    struct Stop {
        std::uint64_t id = 0;  // the command's; stopped once
        pid_t group = 0;       // its process group
        std::chrono::nanoseconds grace{0};
    };
    void stop(const Stop& what, Clock::time_point now);
    bool contains(std::uint64_t id) const { return stopped_.contains(id); }
    bool empty() const { return stopped_.empty(); }
    /// The own process of a stopped command has ended.
    void take_exit(const Report& ended);
    /// Kills what has had its grace. Returns the ends of commands of which nothing is left.
    std::vector<Report> settle(Clock::time_point now);
    /// Until the next settle() is due. There must be a stopped command.
    std::chrono::nanoseconds patience(Clock::time_point now) const;
    /// Commands of which only descendants are left.
    std::vector<std::uint64_t> exited() const;
    /// The kernel has given the number of this group to another command.
    void forget_group(pid_t group);

private:
    struct Stopped {
        pid_t group = 0;           // 0 once the number has been given to another command
        std::vector<Process> kin;  // at the time of the stop
        Clock::time_point deadline;
        bool killed = false;
        bool exited = false;  // the command's own process; then `report` is filled
        Report report;
    };

    bool is_kin(const Process& process, std::uint64_t id, const Stopped& stopped) const;
    static bool any_left(const Stopped& stopped);

    Options options_;
    std::map<std::uint64_t, Stopped> stopped_;  // by the command's id
};

}  // namespace fanfold::worker::guardian
