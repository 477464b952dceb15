#include "tests/simulation/process.hpp"

#include <algorithm>

#include "shared/events/idling.hpp"
#include "tests/simulation/world.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
constexpr Duration shortest_sleep = 50us;  // what a shell's turn takes
constexpr std::uint64_t most_wakeups =
    5000;  // in a second; more is a core that asks for time again and again
constexpr Duration linger = 200ms;
constexpr std::int64_t million = 1'000'000;
}  // namespace

Process::Process(World& world, HostId host) : world_(world), host_(host) {
    origin_ = std::chrono::hours(1 + world.chance().below(100'000));
    pace_ = static_cast<std::int64_t>(world.chance().below(2001)) - 1000;
}

Time Process::now() const {
    auto passed = world_.scheduler().now().time_since_epoch();
    return Time{} + origin_ + passed + passed / million * pace_;
}

std::uint64_t Process::random_number() { return world_.chance().next(); }

PeerId Process::random_peer(char kind) {
    std::string name(1, kind);
    for (int i = 0; i < 11; ++i) name += static_cast<char>('a' + world_.chance().below(26));
    return {name};
}

void Process::die(bool silently) {
    if (!alive_) return;
    alive_ = false;
    backlog_.clear();
    close_sockets(silently);
}

Handler Process::guarded(std::function<void(Arrival)> handle) {
    return [this, handle = std::move(handle)](Arrival arrival) {
        if (alive_) input([handle, arrival = std::move(arrival)] { handle(arrival); });
    };
}

void Process::end() {
    if (!alive_) return;
    alive_ = false;
    backlog_.clear();
    world_.scheduler().after(linger, [this] { close_sockets(false); });
}

void Process::input(std::function<void()> work) {
    if (!alive_) return;
    if (paused_) backlog_.push_back(std::move(work));
    else run(work);
}

void Process::input_after(Duration delay, std::function<void()> work) {
    world_.scheduler().after(delay, [this, work = std::move(work)] { input(work); });
}

void Process::run(const std::function<void()>& work) {
    work();
    if (alive_ && world_.chance().chance(30)) tick();
    if (alive_ && ++steps_ % world_.check_every() == 0) check();
    arm();
}

void Process::go_on() {
    paused_ = false;
    if (alive_ && world_.chance().chance(50)) tick();
    // A step may end this life, or pause it again.
    while (alive_ && !paused_ && !backlog_.empty()) {
        auto work = std::move(backlog_.front());
        backlog_.pop_front();
        run(work);
    }
    arm();
}

void Process::arm() {
    if (!alive_ || paused_) return;
    auto local = now();
    Duration sleep =
        std::clamp<Duration>(std::min(next_wakeup(), local + limits::longest_sleep) - local,
                             shortest_sleep, limits::longest_sleep);
    Time when = world_.scheduler().now() + sleep + sleep / 900;  // its clock may be slow
    if (armed_ <= when) return;
    armed_ = when;
    world_.scheduler().at(when, [this, token = ++token_] { wake(token); });
}

void Process::wake(std::uint64_t token) {
    if (token != token_) return;
    armed_ = Time::max();
    if (!alive_ || paused_) return;
    count_wakeup();
    run([this] { tick(); });
}

void Process::count_wakeup() {
    if (world_.scheduler().now() - second_ > 1s) {
        second_ = world_.scheduler().now();
        wakeups_ = 0;
    }
    if (++wakeups_ == most_wakeups)
        world_.checker().complain(world_.name_of(host_) + " asks for time again and again");
}

}  // namespace fanfold::simulation
