// A life of a client, with the users of its jobs: they add fragments bit by bit, collect, take
// their time, and sometimes cancel.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "scatterer/core/core.hpp"
#include "tests/simulation/checker.hpp"
#include "tests/simulation/process.hpp"

namespace fanfold::simulation {

class ClientProcess : public Process {
public:
    ClientProcess(World& world, HostId host, std::uint32_t number);
    void start() override;
    std::string leftovers() const override;

protected:
    void tick() override { step(Tick{}); }
    Time next_wakeup() const override { return core_.next_wakeup(); }
    void check() const override { core_.check_invariants(); }
    void close_sockets(bool silently) override;

private:
    /// One job and what one user does with it. A client has one for each job.
    struct User {
        const JobPlan* plan = nullptr;
        const CollectorPlan* how = nullptr;
        Collector* collector = nullptr;
        bool owner = false;
        bool busy = false;  // consuming
        int patience = 0;   // how often a job that nobody knows yet is asked for again
        std::deque<scatterer::Receipt> waiting;
        std::deque<std::uint64_t> waiting_bytes;
        Index appended = 0;
    };

    void open(const JobPlan& plan);
    void append(const JobPlan& plan);
    void seal(const JobPlan& plan);
    void watch(const JobPlan& plan, const CollectorPlan& how, int patience);
    void consume(const JobId& job);
    void take_word(User& user, const wire::Concluded& end);
    void take_refusal(User& user, const std::string& text);
    void let_go_when_done(User& user);
    void step(scatterer::Event event);
    struct Acts;  // one way for each action of its core
    void act(scatterer::Action& action);
    void connect();
    void send_gatherer(const scatterer::SendGatherer& send);
    void take_unquestioned(const Arrival& arrival);
    void deliver(const JobId& job, scatterer::Receipt receipt, std::uint64_t bytes);
    User* find(const JobId& job);

    std::uint32_t number_;
    scatterer::Core core_;
    PeerId self_;
    ConnectionId control_ = 0;
    ConnectionId blocks_ = 0;
    struct Gatherer {
        Epoch epoch;
        ConnectionId connection = 0;
    };
    std::map<std::string, Gatherer> gatherers_;
    std::map<JobId, User> users_;
};

}  // namespace fanfold::simulation
