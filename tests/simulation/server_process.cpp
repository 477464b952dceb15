#include "tests/simulation/server_process.hpp"

#include "tests/simulation/world.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
constexpr Duration news_least = 1us,
                   news_most = 500us;  // from the store's thread to the process's own
constexpr Duration strikes_anyway = 500ms;
}  // namespace

ServerProcess::ServerProcess(World& world, HostId host)
    : Process(world, host), disk_(world.disk(host)), journal_(disk_, [this] {
          input_after(world_.chance().duration(news_least, news_most), [this] { read_journal(); });
      }) {}

std::chrono::milliseconds ServerProcess::wall_clock() const { return world_.wall_clock(host()); }

Epoch ServerProcess::new_epoch() {
    return {.number = journal_.epoch(), .incarnation = world_.chance().next()};
}

void ServerProcess::close_sockets(bool silently) {
    if (disk_) disk_->close();
    close_all(silently);
}

void ServerProcess::arm(Moment moment, Duration until_restart, bool silently) {
    until_restart_ = until_restart;
    silently_ = silently;
    if (moment == Moment::any || !disk_) return strike();
    moment_ = moment;
    left_.reset();
    if (moment == Moment::before_commit || moment == Moment::after_commit)
        disk_->arm(moment, [this] { strike(); });
    world_.scheduler().after(strikes_anyway, [this] { strike(); });
}

void ServerProcess::strike() {
    if (!alive()) return;
    moment_ = Moment::any;
    world_.crash(host(), until_restart_, silently_);
}

bool ServerProcess::lives_on(std::size_t actions_of_step) {
    if (moment_ != Moment::amid_step || actions_of_step < 2) return alive();
    if (!left_) left_ = world_.chance().below(actions_of_step);
    if ((*left_)-- == 0) strike();
    return alive();
}

void ServerProcess::read_journal() {
    std::size_t due = journal_.due();
    if (moment_ == Moment::amid_sends && due > 0) left_ = world_.chance().below(due + 1);
    auto told = journal_.read([this] {
        if (moment_ == Moment::amid_sends && left_ && (*left_)-- == 0) strike();
        return alive();
    });
    if (alive() && moment_ == Moment::amid_sends && left_ == std::size_t{0}) strike();
    if (alive()) take(std::move(told));
}

}  // namespace fanfold::simulation
