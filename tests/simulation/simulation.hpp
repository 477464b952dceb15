// One run: the hosts with their lives, the faults as the scenario has them, and the end. One
// thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/process.hpp"
#include "tests/simulation/world.hpp"

namespace fanfold::simulation {

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

class Simulation final : public World {
public:
    explicit Simulation(const RunOptions& options);
    ~Simulation() override;

    RunReport run();

    void ended(HostId host) override;
    void kill(HostId host) override;
    void crash(HostId host, Duration until_restart, bool silently) override;

private:
    void start(HostId host);
    std::unique_ptr<Process> make(HostId host);
    void arrange_faults();
    void apply(const Fault& fault);
    void apply_crash(const Fault& fault);
    void put_back(const Fault& fault);
    void drain(const Fault& fault);
    void apply_blackout(const Fault& fault);
    void disturb(HostId a, HostId b, Duration length);
    bool drained() const;
    void judge_leftovers();
    void tell_of_wall(HostId a, HostId b, bool reached);
    bool is_worker(HostId host) const {
        return host >= scenario_.worker(0) && host < scenario_.client(0);
    }
    bool is_client(HostId host) const { return host >= scenario_.client(0); }

    Disturbances disturbances_;
    std::uint64_t kills_ = 0;
    std::vector<std::unique_ptr<Process>> hosts_;  // the latest life on each
    // What is arranged for earlier lives still finds them.
    std::vector<std::unique_ptr<Process>> graveyard_;
    std::map<std::uint32_t, Duration> cut_off_;  // each client from the broker, in sum
};

}  // namespace fanfold::simulation
