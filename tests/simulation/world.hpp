// One run: the hosts with their lives, the network, the faults as the scenario has them, and the
// end. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/checker.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/process.hpp"

namespace fanfold::simulation {

struct RunOptions {
    std::uint64_t seed = 0;
    Bug bug = Bug::none;
    bool many_kills = false;                // make_kills' scenario
    bool prints = false;                    // a transcript
    std::uint64_t check_every = 16;         // steps of a core between two checks of its invariants
    std::optional<Scenario> scenario = {};  // instead of the seed's
};

struct RunReport {
    std::vector<std::string> complaints;
    std::uint64_t hash = 0;
    std::uint64_t executions = 0;
    std::uint64_t delivered = 0;
    std::size_t faults = 0;
    std::uint64_t commits = 0, fetches = 0;  // of all disks
    std::uint64_t kills = 0;                 // of workers, by fault
    Duration took{};                         // virtual
    std::vector<Duration> job_times{};  // of those that somebody was there to the end of, in the
                                        // order of their opening
};

RunReport run(const RunOptions& options);

class World {
public:
    explicit World(const RunOptions& options);
    ~World();

    RunReport run();

    // --- for its processes
    // --------------------------------------------------------------------------------------
    Scheduler& scheduler() { return scheduler_; }
    Network& network() { return network_; }
    Checker& checker() { return checker_; }
    Trace& trace() { return trace_; }
    Random& chance() { return random_; }
    const Scenario& scenario() const { return scenario_; }
    Bug bug() const { return saboteur_.bug(); }
    const Saboteur& saboteur() const { return saboteur_; }
    /// None: what runs on this host keeps all in memory.
    Disk* disk(HostId host) { return host < disks_.size() ? disks_[host].get() : nullptr; }
    /// What a host's wall clock reads, since 1970. Those of hosts differ, and may jump.
    std::chrono::milliseconds wall_clock(HostId host) const;
    std::uint64_t check_every() const { return options_.check_every; }
    std::string name_of(HostId host) const;
    /// Clients are of two users in turn, who may see each other's jobs and yet own their own alone;
    /// servers and workers of none.
    Sender sender(HostId host) const;
    void remark(const std::string& text);
    /// A process has ended by itself; whoever runs it starts it again.
    void ended(HostId host);
    /// Kills the process on this host, by what a fragment did.
    void kill(HostId host);
    void crash(HostId host, Duration until_restart, bool silently);
    /// The run is of no use any more.
    void stop() { stopped_ = true; }

private:
    void start(HostId host);
    void make_disks();
    std::unique_ptr<Process> make(HostId host);
    void arrange_faults();
    void apply(const Fault& fault);
    void apply_crash(const Fault& fault);
    void apply_blackout(const Fault& fault);
    void disturb(HostId a, HostId b, Duration length);
    bool drained() const;
    void judge_leftovers();
    bool is_worker(HostId host) const {
        return host >= scenario_.worker(0) && host < scenario_.client(0);
    }
    bool is_client(HostId host) const { return host >= scenario_.client(0); }

    RunOptions options_;
    Scenario scenario_;
    Random random_;
    Scheduler scheduler_;
    Trace trace_;
    Saboteur saboteur_;
    Network network_;
    Checker checker_;
    Disturbances disturbances_;
    std::vector<std::unique_ptr<Disk>> disks_;  // by host
    std::vector<Duration> wall_clocks_;         // by host: what it reads at the beginning
    std::uint64_t kills_ = 0;
    bool stopped_ = false;
    std::vector<std::unique_ptr<Process>> hosts_;  // the latest life on each
    std::vector<std::unique_ptr<Process>>
        graveyard_;  // what is arranged for earlier lives still finds them
    std::map<std::uint32_t, Duration> cut_off_;  // each client from the broker, in sum
};

}  // namespace fanfold::simulation
