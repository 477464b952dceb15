// The commands that run: hands them to the guardian, moves their bytes, watches over their time,
// and tells how each ended. Belongs to the runner's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "worker/commands/command_pipes.hpp"
#include "worker/commands/running_command.hpp"
#include "worker/guardian/guardian_channel.hpp"
#include "worker/guardian/poller.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

class LiveCommands {
public:
    /// What the poller says when somebody has woken it. No command's event.
    static constexpr std::uint64_t wake_event = 3;

    struct Options {
        std::string guardian;  // path of the guardian program
        Duration kill_grace;   // between SIGTERM and SIGKILL
        Containment containment;
        std::function<void(CommandEnd)> on_end;
    };
    /// The poller outlives this.
    LiveCommands(Poller& poller, Options options);

    Result<void> start_guardian() { return guardian_.start(options_.guardian); }

    void begin(Command command);
    void abort(std::uint64_t id);
    /// The runner has ended: the command does, unstarted.
    void refuse(const Command& command);
    /// Ends the guardian, which kills everything; where the containment says so, what runs gets
    /// SIGTERM and its grace before.
    void abort_all();

    /// Sends what the guardian is to be told.
    void flush();
    enum class Wait : bool { for_events, no_longer };
    /// Waits for something to do, and does it.
    void wait(Wait how);

private:
    /// What an event of the poller is about: a stream of a command, or this process itself.
    enum class Source : std::uint64_t { out = 0, err = 1, in = 2, own = 3 };
    static constexpr std::uint64_t guardian_event = 7;
    static constexpr std::uint64_t first_sequence = 2;  // below are the two events above

    static std::uint64_t event_of(std::uint64_t sequence, Source source) {
        return sequence << 2 | static_cast<std::uint64_t>(source);
    }
    Result<Prepared> try_to_prepare(Command& command);
    void stop(std::uint64_t sequence, Running& running, CommandEnd::How why);
    void await_stopped();
    void handle(std::uint64_t event, std::uint32_t flags);
    void read_stream(std::uint64_t sequence, Running& running, Stream& stream,
                     OutputReader::Until until);
    void read_rest(std::uint64_t sequence, Running& running);
    void watch_output(std::uint64_t sequence, Running& running);
    void watch_due();
    void hear_guardian();
    void take_report(const guardian::Report& report);
    void guardian_died();
    void finish_if_over(std::uint64_t sequence, Running& running);
    void finish(std::uint64_t sequence, Running& running);
    void end_early(std::uint64_t sequence, CommandEnd::How how, std::string message = {});
    void end_unstarted(std::uint64_t id, CommandEnd::How how, std::string message,
                       std::optional<wire::TroubleKind> trouble = {});
    void forget(std::uint64_t sequence, Running& running);
    void set_timer(std::uint64_t sequence, Running& running, Time due);
    void fire_timers();
    int milliseconds_left();

    Options options_;
    Poller& poller_;
    guardian::Channel guardian_;
    std::vector<guardian::Report> reports_;
    std::map<std::uint64_t, Running> running_;  // by sequence, the guardian's word for them
    std::unordered_map<std::uint64_t, std::uint64_t> sequences_;  // by the caller's id
    std::uint64_t next_sequence_ = first_sequence;
    std::set<std::pair<Time, std::uint64_t>> timers_;
    // When to watch the output of which, in the order of their begin. Most commands have ended
    // before, and what they wrote waits in the pipes: it is read at their end, and a command costs
    // no wake-up for each of its streams.
    std::deque<std::pair<Time, std::uint64_t>> unwatched_;
    OutputReader reader_;
};

}  // namespace fanfold::worker
