#include "tests/simulation/servers.hpp"

#include "tests/simulation/world.hpp"

namespace fanfold::simulation {

namespace {
constexpr std::uint64_t bytes_beside = 1000;  // of each fragment, its value aside
}

// --- the broker -------------------------------------------------------------------------------------------------

BrokerProcess::BrokerProcess(World& world, HostId host)
    : Process(world, host),
      core_({.epoch = {.number = 0, .incarnation = world.bug() == Bug::epoch_ignored ? 1 : world.chance().next()},
             .blocks = {to_string(Endpoint{host, Port::blocks})}}) {}

void BrokerProcess::start() {
    world_.network().bind({host(), Port::control}, guarded([this](Arrival arrival) {
                              if (auto* hello = std::get_if<wire::Hello>(&arrival.message)) names_[arrival.from] = hello->name;
                              if (auto* done = std::get_if<wire::Done>(&arrival.message)) settle_books(arrival.from, *done);
                              step(Received{std::move(arrival.from), std::move(arrival.message), std::move(arrival.body)});
                          }));
    world_.network().bind({host(), Port::blocks}, guarded([this](Arrival arrival) {
                              step(Pulled{std::move(arrival.message), std::move(arrival.body)});
                          }));
    tick_soon();
}

void BrokerProcess::step(broker::Event event) {
    std::vector<broker::Action> actions;
    core_.step(now(), std::move(event), actions);
    std::vector<PeerId> gone;
    for (broker::Action& action : actions) {
        if (auto* note = std::get_if<Note>(&action)) {
            blame(*note);
            continue;
        }
        if (!std::holds_alternative<Send>(action)) continue;
        auto& send = std::get<Send>(action);
        keep_books(send);
        if (!world_.network().send_to({host(), Port::control}, send.to, send.message, send.body)) gone.push_back(send.to);
    }
    for (PeerId& peer : gone) step(Unroutable{std::move(peer)});
}

void BrokerProcess::keep_books(const Send& send) {
    if (auto* dispatch = std::get_if<wire::Dispatch>(&send.message))
        lent_[send.to][dispatch->job].add({dispatch->first, dispatch->first + dispatch->count});
}

void BrokerProcess::settle_books(const PeerId& from, const wire::Done& done) {
    auto& books = lent_[from];
    for (const auto& run : done.runs) books[run.job].remove(run.range);
    for (const auto& job : done.failures)
        for (const auto& failure : job.failures) books[job.job].remove({failure.index, failure.index + 1});
    for (const auto& returned : done.returned)
        for (Range range : returned.ranges) books[returned.job].remove(range);
}

/// The broker takes a worker for dead: what that may have been running gets nearer to the crash limit.
void BrokerProcess::blame(const Note& note) {
    world_.trace().add(world_.scheduler().now(), note.what, [&] {
        return world_.name_of(host()) + ": " + note.what + " " + note.peer + " " + (note.job ? world_.trace().name_of(*note.job) : "") +
               " " + (note.range.empty() ? "" : fanfold::to_string({note.range})) + " " + note.detail;
    });
    if (std::string_view(note.what) != "peer gone") return;
    for (auto& [peer, books] : lent_) {
        if (names_[peer] != note.peer) continue;
        for (auto& [job, ranges] : std::exchange(books, {}))
            for (Range range : ranges.ranges())
                for (Index index = range.begin; index < range.end; ++index) world_.checker().endangered(job, index);
    }
}

void BrokerProcess::close_sockets(bool silently) {
    world_.network().unbind({host(), Port::control}, silently);
    world_.network().unbind({host(), Port::blocks}, silently);
}

std::string BrokerProcess::leftovers() const {
    std::string text;
    for (const auto& [id, job] : core_.jobs())
        if (job.running()) text += " job " + world_.trace().name_of(id) + " runs";
    for (const auto& [peer, session] : core_.sessions())
        if (!session.lent.empty()) text += " " + session.name + " has chunks on loan";
    return text;
}

// --- a gatherer -------------------------------------------------------------------------------------------------

GathererProcess::GathererProcess(World& world, HostId host)
    : Process(world, host),
      core_({.self = {.name = world.name_of(host),
                      .epoch = {.number = 0, .incarnation = world.bug() == Bug::epoch_ignored ? 1 : world.chance().next()},
                      .results = {to_string(Endpoint{host, Port::results})},
                      .collect = {to_string(Endpoint{host, Port::collect})}}}) {}

void GathererProcess::start() {
    world_.network().bind({host(), Port::results}, guarded([this](Arrival arrival) {
                              step(Pulled{std::move(arrival.message), std::move(arrival.body)});
                          }));
    world_.network().bind({host(), Port::collect}, guarded([this](Arrival arrival) {
                              step(Received{std::move(arrival.from), std::move(arrival.message), std::move(arrival.body)});
                          }));
    connect();
    input([this] { step(Tick{}); });
}

void GathererProcess::connect() {
    if (control_ != 0) world_.network().close(control_, false);
    control_ =
        world_.network().connect(host(), {world_.scenario().broker(), Port::control}, random_peer('g'), guarded([this](Arrival arrival) {
                                     step(gatherer::FromBroker{std::move(arrival.message), std::move(arrival.body)});
                                 }));
}

void GathererProcess::tick() {
    if (world_.bug() != Bug::time_not_looked_at || world_.scheduler().now() < Time{} + std::chrono::milliseconds(200)) step(Tick{});
}

void GathererProcess::step(gatherer::Event event) {
    std::vector<gatherer::Action> actions;
    core_.step(now(), std::move(event), actions);
    std::vector<PeerId> gone;
    for (gatherer::Action& action : actions) {
        if (auto* send = std::get_if<Send>(&action)) {
            if (!world_.network().send_to({host(), Port::collect}, send->to, send->message, send->body)) gone.push_back(send->to);
        } else if (auto* to_broker = std::get_if<gatherer::SendBroker>(&action)) {
            world_.network().send(control_, to_broker->message, to_broker->body);
        } else if (std::holds_alternative<gatherer::Reconnect>(action)) {
            connect();
        }
    }
    for (PeerId& peer : gone) step(Unroutable{std::move(peer)});
}

void GathererProcess::close_sockets(bool silently) {
    world_.network().unbind({host(), Port::results}, silently);
    world_.network().unbind({host(), Port::collect}, silently);
    world_.network().close(control_, silently);
}

/// What nobody may hold any more is told; results of submitted jobs stay.
std::string GathererProcess::leftovers() const {
    std::uint64_t most = 0;
    for (const JobPlan& job : world_.scenario().jobs)
        if (!job.spec.attached) most += job.count * (job.value_bytes + bytes_beside);
        else if (!job.collected_by_owner || !world_.scenario().faults.empty()) most += job.count * (job.value_bytes + bytes_beside);
    if (core_.held_bytes() <= most) return {};
    return " holds " + std::to_string(core_.held_bytes()) + " bytes";
}

}  // namespace fanfold::simulation
