// Lives of the broker and of a gatherer.
#pragma once

#include <map>

#include "broker/core.hpp"
#include "gatherer/core.hpp"
#include "tests/simulation/process.hpp"

namespace fanfold::simulation {

class BrokerProcess : public Process {
public:
    BrokerProcess(World& world, HostId host);
    void start() override;
    std::string leftovers() const override;

protected:
    void tick() override { step(Tick{}); }
    Time next_wakeup() const override { return core_.next_wakeup(); }
    void check() const override { core_.check_invariants(); }
    void close_sockets(bool silently) override;

private:
    void step(broker::Event event);
    void keep_books(const Send& send);
    void settle_books(const PeerId& from, const wire::Done& done);
    void blame(const Note& note);

    broker::Core core_;
    /// What each worker has been sent and has not told the end of.
    std::map<PeerId, std::map<JobId, RangeSet>> lent_;
    std::map<PeerId, std::string> names_;
};

class GathererProcess : public Process {
public:
    GathererProcess(World& world, HostId host);
    void start() override;
    std::string leftovers() const override;

protected:
    void tick() override;
    Time next_wakeup() const override { return core_.next_wakeup(); }
    void check() const override { core_.check_invariants(); }
    void close_sockets(bool silently) override;

private:
    void step(gatherer::Event event);
    void connect();

    gatherer::Core core_;
    ConnectionId control_ = 0;
};

}  // namespace fanfold::simulation
