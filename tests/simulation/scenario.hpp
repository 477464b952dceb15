// What a seed decides before anything runs: the fleet, the jobs and their users, what each fragment
// does, and the faults. Plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "shared/wire/messages.hpp"
#include "tests/simulation/disk.hpp"
#include "tests/simulation/random.hpp"

namespace fanfold::simulation {

/// What a fragment does to whoever runs it.
enum class Behaviour : std::uint8_t {
    value,     // gives its value
    fails,     // each time
    flaky,     // fails the first time that it runs
    overruns,  // takes too long, and can be stopped: a command
    sticks,    // takes too long, and can't be stopped: a handler
    kills,     // its worker, each time
};

struct FragmentPlan {
    Behaviour behaviour = Behaviour::value;
    Duration work{};
};

/// When somebody else than the owner collects the job, or its owner again.
struct CollectorPlan {
    std::uint32_t client = 0;
    Duration at{};
    bool ordered = false;
    Duration consume_least{};
    Duration consume_most{};
};

/// One run of a fragment, for what its time depends on.
struct RunOf {
    Index index = 0;
    std::uint32_t attempt = 1;
    std::uint32_t worker = 0;
};

struct JobPlan {
    std::uint32_t number = 0;
    JobId id{};
    std::uint64_t token = 0;
    std::uint32_t client = 0;
    wire::JobSpec spec{};
    std::uint64_t count = 0;
    std::uint64_t seed = 0;  // of its fragments
    double failing_percent = 0, flaky_percent = 0, slow_percent = 0, killing_percent = 0;
    bool slow_sticks = false;
    Duration work_least{}, work_most{};
    std::size_t value_bytes = 0, payload_bytes = 0;
    Duration open_at{};
    std::uint32_t block_fragments = 1;
    Duration block_pause{};  // before each further block
    bool sealed_by_last_block = true;
    bool collected_by_owner = true;
    bool collected_from_start = true;
    bool sealing_fails = false;  // never sealed: its end is its deadline or a cancel
    CollectorPlan owner{};
    std::vector<CollectorPlan> others{};
    std::optional<Duration> cancel_at{};
    Range dropped{};     // fragments that its owner cancels; empty: none
    Duration drop_at{};  // then
    // of runs that measure schedules
    std::function<Duration(RunOf)>
        time{};                // of each run of a fragment; none: as work_least and work_most say
    bool heeds_stops = false;  // what runs ends soon when nobody wants it any more
    std::optional<std::uint32_t> follows{};  // opened when the job of this number has ended for its
                                             // owner, and not at open_at

    FragmentPlan fragment(Index index) const;
    std::string payload(Index index) const;  // a MessagePack object
    std::string value(Index index) const;
};

enum class FaultKind : std::uint8_t {
    broken,     // the connections between two hosts
    blocked,    // nothing passes between them
    slowed,     // or everything late
    paused,     // a process
    crashed,    // a process
    blackout,   // the broker, the gatherers, and whoever else the seed says, at once
    full_disk,  // nothing can be written there
    copied,     // its disk: what is there now is what is put back
    put_back,   // a process dies, and begins again with the copy; without one, with nothing
    drained,    // a gatherer is to hand its jobs over to others, until it ends
};

struct Fault {
    FaultKind kind = FaultKind::broken;
    Duration at{};
    Duration length{};  // of a block, of a slow time, of a pause, of a full disk, of a draining (0:
                        // for good), and until a restart (the last one, with blackout)
    std::uint32_t host = 0;
    std::uint32_t other = 0;  // with broken, blocked, slowed
    bool flag = false;        // blocked: the connections are dead afterwards; crashed: silently;
                              // blackout: clients and workers too
    Moment moment = Moment::any;  // crashed: of the broker's or gatherer's work with its disk
    Duration jump{};  // crashed, blackout: by which the wall clock is another afterwards
};

struct WorkerPlan {
    std::uint32_t slots = 1;
    std::vector<std::string> functions{};
};

struct Scenario {
    std::uint64_t seed = 0;
    std::uint32_t gatherers = 1;
    std::vector<WorkerPlan> workers{};
    std::uint32_t clients = 1;
    std::vector<JobPlan> jobs{};
    std::vector<Fault> faults{};
    Duration least_delay{}, most_delay{};
    double doubled_percent = 0;  // of messages that are sent again
    Duration least_commit{}, most_commit{};
    std::uint64_t broker_memory = 0,
                  gatherer_memory = 0;  // of those with disks; 0: as much as they want
    std::vector<bool> durable{};        // the broker, each gatherer: whether it has a disk
    bool memory_lost = false;           // one that has none is started again
    bool calm_workers = false;  // faults are of the servers, their disks and clients alone: what a
                                // worker has begun it ends
    bool many_kills = false;    // a run of worker deaths
    bool put_back = false;   // a disk is put back to an older state: what was promised is not kept
    Duration quiet_after{};  // no fault and no user's act comes after

    // Hosts are numbered: the broker, gatherers, workers, clients.
    std::uint32_t broker() const { return 0; }
    std::uint32_t gatherer(std::uint32_t n) const { return 1 + n; }
    std::uint32_t worker(std::uint32_t n) const { return 1 + gatherers + n; }
    std::uint32_t client(std::uint32_t n) const {
        return 1 + gatherers + static_cast<std::uint32_t>(workers.size()) + n;
    }
    std::uint32_t hosts() const { return client(clients); }
};

Scenario make_scenario(std::uint64_t seed, std::uint32_t least_gatherers = 1);
/// Hundreds of deaths of workers, at random, with some fragments that kill theirs.
Scenario make_kills(std::uint64_t seed);
/// Disks of the broker and of gatherers are put back to what they were before, or to nothing.
Scenario make_restores(std::uint64_t seed);
/// There are several gatherers, and all but the last are drained now and then.
Scenario make_drains(std::uint64_t seed);
/// Chooses what goes wrong, and until when.
void choose_faults(Random& random, Scenario& scenario);
/// For a transcript: the plan in a few lines.
std::string to_string(const Scenario& scenario);

}  // namespace fanfold::simulation
