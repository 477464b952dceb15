// Lives of the broker and of a gatherer.
#pragma once

#include <map>

#include "broker/core/core.hpp"
#include "gatherer/core/core.hpp"
#include "tests/simulation/server_process.hpp"

namespace fanfold::simulation {

class BrokerProcess : public ServerProcess {
public:
    BrokerProcess(World& world, HostId host);
    void start() override;
    std::string leftovers() const override;

protected:
    void tick() override { step(Tick{}); }
    Time next_wakeup() const override { return core_.next_wakeup(); }
    void check() const override;
    void close_all(bool silently) override;
    void take(SimulatedJournal::Told told) override;

private:
    void step(broker::Event event);
    void act(broker::Action& action);
    void say(const Send& send);
    void tell_of_gone();
    void keep_books(const Send& send);
    void settle_books(const PeerId& from, const wire::Done& done);
    void blame(const Note& note);

    broker::Core core_;
    std::vector<PeerId> gone_;
    /// What each worker has been sent and has not told the end of.
    std::map<PeerId, std::map<JobId, RangeSet>> lent_;
    std::map<PeerId, std::string> names_;
};

class GathererProcess : public ServerProcess {
public:
    GathererProcess(World& world, HostId host);
    void start() override;
    void drain(bool off) override;
    std::string leftovers() const override;

protected:
    void tick() override;
    Time next_wakeup() const override { return core_.next_wakeup(); }
    void check() const override;
    void close_all(bool silently) override;
    void take(SimulatedJournal::Told told) override;

private:
    void step(gatherer::Event event);
    void act(gatherer::Action& action);
    void say(const Send& send);
    void say_to_broker(const gatherer::SendBroker& send);
    void tell_of_gone();
    void connect();

    gatherer::Core core_;
    std::vector<PeerId> gone_;
    ConnectionId control_ = 0;
    bool drained_ = false;
};

}  // namespace fanfold::simulation
