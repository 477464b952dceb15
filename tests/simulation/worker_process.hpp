// A life of a worker, with slots that run fragments under virtual time. A fragment does what its
// plan says: gives a value made from its payload, fails, overruns, or kills the process.
#pragma once

#include <map>
#include <set>

#include "tests/simulation/process.hpp"
#include "tests/simulation/scenario.hpp"
#include "worker/core/core.hpp"

namespace fanfold::simulation {

class WorkerProcess : public Process {
public:
    WorkerProcess(World& world, HostId host, const WorkerPlan& plan);
    void start() override;
    void reach(HostId other, bool reached) override;
    std::string leftovers() const override;

protected:
    void tick() override { step(Tick{}); }
    Time next_wakeup() const override { return core_.next_wakeup(); }
    void check() const override { core_.check_invariants(); }
    void close_sockets(bool silently) override;

private:
    struct Running {
        worker::Task task;
        const JobPlan* plan = nullptr;
        std::string_view rest;   // payloads not yet begun
        std::uint32_t done = 0;  // fragments ended
        Index unsent_first = 0;
        std::uint32_t unsent_count = 0;
        std::string unsent;  // values not yet reported
        Time reported{};
        bool stopped = false;
    };

    void step(worker::Event event);
    void act(worker::Action& action);
    void connect();
    void push(const wire::GathererRef& to, const wire::Message& message, const Slice& body);
    void leave(const std::string& error);
    // the executor
    void run(worker::Task task);
    void trim(const worker::Trim& trim);
    void begin_fragment(std::uint64_t number);
    void end_fragment(std::uint64_t number, Behaviour behaviour);
    void overrun(std::uint64_t number, Running& running, Behaviour behaviour, Index index);
    void take_value(Running& running, Index index);
    void fail(std::uint64_t number, Index index, wire::FailureKind kind,
              const std::string& message);
    void report(std::uint64_t number);
    void give_up(std::uint64_t number);
    void finish(std::uint64_t number);
    Running* find(std::uint64_t number);

    struct Gatherer {
        Epoch epoch;
        ConnectionId connection = 0;
    };

    worker::Core core_;
    PeerId self_;
    ConnectionId control_ = 0;
    std::map<std::string, Gatherer> gatherers_;
    std::map<std::uint64_t, Running> tasks_;
};

}  // namespace fanfold::simulation
