// What a broker's and a gatherer's process have in common: a disk, on which a life finds what the
// one before has left, or none.
#pragma once

#include <optional>

#include "tests/simulation/disk.hpp"
#include "tests/simulation/process.hpp"

namespace fanfold::simulation {

class ServerProcess : public Process {
public:
    ServerProcess(World& world, HostId host);

    bool durable() const { return disk_ != nullptr; }
    /// It dies at that moment of its work, or when the work does not come to it in a while.
    void arm(Moment moment, Duration until_restart, bool silently);

protected:
    /// What the wall clock reads, since 1970.
    std::chrono::milliseconds wall_clock() const;
    SimulatedJournal& journal() { return journal_; }
    Disk* disk() { return disk_; }
    Epoch new_epoch();
    void close_sockets(bool silently) final;
    virtual void close_all(bool silently) = 0;
    /// What the journal has to tell the core.
    virtual void take(SimulatedJournal::Told told) = 0;

    /// Between two things that a step asks for: false when the process has died there.
    bool lives_on(std::size_t actions_of_step);

private:
    void read_journal();
    void strike();

    Disk* disk_;  // none: all is in memory
    SimulatedJournal journal_;
    Moment moment_ = Moment::any;
    std::optional<std::size_t> left_;  // things that it still says or does
    Duration until_restart_{};
    bool silently_ = false;
};

}  // namespace fanfold::simulation
