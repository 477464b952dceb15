// What the processes of a run live in: time, the network, disks, clocks, and the checker that
// watches them. It knows no process. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/checker.hpp"
#include "tests/simulation/network.hpp"

namespace fanfold::simulation {

struct RunOptions {
    std::uint64_t seed = 0;
    Bug bug = Bug::none;
    bool many_kills = false;                // make_kills' scenario
    bool prints = false;                    // a transcript
    std::uint64_t check_every = 16;         // steps of a core between two checks of its invariants
    std::optional<Scenario> scenario = {};  // instead of the seed's
};

class World {
public:
    explicit World(const RunOptions& options);
    virtual ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

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
    /// The run is of no use any more.
    void stop() { stopped_ = true; }

    /// A process has ended by itself; whoever runs it starts it again.
    virtual void ended(HostId host) = 0;
    /// Kills the process on this host, by what a fragment did.
    virtual void kill(HostId host) = 0;
    virtual void crash(HostId host, Duration until_restart, bool silently) = 0;

protected:
    RunOptions options_;
    Scenario scenario_;
    Random random_;
    Scheduler scheduler_;
    Trace trace_;
    Saboteur saboteur_;
    Network network_;
    Checker checker_;
    std::vector<std::unique_ptr<Disk>> disks_;  // by host
    std::vector<Duration> wall_clocks_;         // by host: what it reads at the beginning
    bool stopped_ = false;

private:
    void make_disks();
    void choose_slow_links(Random random);
};

}  // namespace fanfold::simulation
