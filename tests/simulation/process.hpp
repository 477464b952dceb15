// A life of a process on a host: a core, its sockets and its clock, as its shell would drive it.
// One thread.
//
// Invariant: a dead life does nothing, and a paused one nothing until it goes on.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "tests/simulation/network.hpp"

namespace fanfold::simulation {

class World;

class Process {
public:
    Process(World& world, HostId host);
    virtual ~Process() = default;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    virtual void start() = 0;
    /// All its memory and sockets are gone. Silently: nobody is told, as when a machine loses its
    /// power.
    void die(bool silently);
    /// It ends by itself: what it has said is still sent.
    void end();
    void pause() { paused_ = true; }
    void go_on();
    bool alive() const { return alive_; }
    bool paused() const { return paused_; }
    HostId host() const { return host_; }
    /// Its connections to that host fail, or work again, as its sockets would tell.
    virtual void reach(HostId, bool) {}
    /// An operator wants its jobs to go to others, or no longer.
    virtual void drain(bool /*off*/) {}
    /// Nothing is left to do in it; what is left is told otherwise.
    virtual std::string leftovers() const { return {}; }

protected:
    /// Work for the process's own thread: now, or when it goes on.
    void input(std::function<void()> work);
    /// The same after a while.
    void input_after(Duration delay, std::function<void()> work);
    Handler guarded(std::function<void(Arrival)> handle);
    /// This host's clock, which has an origin and a pace of its own.
    Time now() const;
    void tick_soon() { arm(); }
    std::uint64_t random_number();
    PeerId random_peer(char kind);

    virtual void tick() = 0;
    virtual Time next_wakeup() const = 0;
    virtual void check() const = 0;
    virtual void close_sockets(bool silently) = 0;

    World& world_;

private:
    void arm();
    void wake(std::uint64_t token);
    void run(const std::function<void()>& work);
    void count_wakeup();

    HostId host_;
    bool alive_ = true;
    bool paused_ = false;
    Duration origin_;
    std::int64_t pace_;  // parts in a million by which its clock is too fast
    std::deque<std::function<void()>> backlog_;
    std::uint64_t token_ = 0;
    Time armed_ = Time::max();
    Time second_{};
    std::uint64_t wakeups_ = 0;  // in this second
    std::uint64_t steps_ = 0;
};

}  // namespace fanfold::simulation
