#include "tests/simulation/servers.hpp"

#include <algorithm>

#include "tests/simulation/world.hpp"

namespace fanfold::simulation {

namespace {
constexpr std::uint64_t bytes_beside = 1000;         // of each fragment, its value aside
constexpr std::uint64_t room_of_messages = 1 << 20;  // beyond the limit: what is being taken in

/// Without a disk what does not fit is lost, which is not what runs with little memory are to show.
std::uint64_t memory_of(std::uint64_t wanted, bool durable, std::uint64_t otherwise) {
    return durable && wanted > 0 ? wanted : otherwise;
}

/// Reads what the life before has left; what can't be read is a complaint.
template <class Take>
void restore(
    World& world, HostId host, const Disk* disk, Take take,
    const std::function<void()>& done = [] {}) {
    if (!disk) return;
    try {
        disk->load([&](const Record& record) {
            Record row = record;
            if (world.saboteur().restores(host == world.scenario().broker(), row)) take(row);
        });
        done();
    } catch (const std::exception& error) {
        world.checker().complain(world.name_of(host) +
                                 " can't go on from its disk: " + error.what());
        world.stop();
    }
}
}  // namespace

// --- the broker

BrokerProcess::BrokerProcess(World& world, HostId host)
    : ServerProcess(world, host),
      core_({.epoch = new_epoch(),
             .blocks = {to_string(Endpoint{host, Port::blocks})},
             .memory_bytes =
                 memory_of(world.scenario().broker_memory, durable(), limits::broker_memory_bytes),
             .durable = durable(),
             .started = now(),
             .started_since_1970 = wall_clock()}) {}

void BrokerProcess::start() {
    restore(
        world_, host(), disk(), [this](const Record& record) { core_.restore(record); },
        [this] { core_.restored(); });
    world_.network().bind(
        {host(), Port::control}, guarded([this](Arrival arrival) {
            if (arrival.is_part)
                return step(Arriving{std::move(arrival.from), world_.sender(arrival.sender)});
            if (auto* hello = std::get_if<wire::Hello>(&arrival.message))
                names_[arrival.from] = hello->name;
            if (auto* done = std::get_if<wire::Done>(&arrival.message))
                settle_books(arrival.from, *done);
            if (auto* inventory = std::get_if<wire::Heartbeat>(&arrival.message);
                inventory && world_.bug() == Bug::held_not_adopted && journal().epoch() > 1)
                inventory->held.clear();
            step(Received{std::move(arrival.from), std::move(arrival.message),
                          std::move(arrival.body), world_.sender(arrival.sender)});
        }));
    world_.network().bind({host(), Port::blocks}, guarded([this](Arrival arrival) {
                              step(Pulled{std::move(arrival.message), std::move(arrival.body),
                                          world_.sender(arrival.sender)});
                          }));
    tick_soon();
}

void BrokerProcess::step(broker::Event event) {
    std::vector<broker::Action> actions;
    core_.step(now(), std::move(event), actions);
    for (broker::Action& action : actions) {
        if (!lives_on(actions.size())) return;
        act(action);
    }
    journal().hand_over();
    tell_of_gone();
}

void BrokerProcess::act(broker::Action& action) {
    if (auto* note = std::get_if<Note>(&action)) return blame(*note);
    if (auto* persist = std::get_if<broker::Persist>(&action))
        return journal().append(std::move(persist->record));
    if (auto* fetch = std::get_if<Fetch>(&action)) return journal().fetch(*fetch);
    auto& send = std::get<Send>(action);
    bool early = world_.bug() == Bug::accepted_too_early;
    if (early || broker::promises_nothing(send.message) || journal().safe()) return say(send);
    journal().when_safe([this, held = std::move(send)] { say(held); });
}

void BrokerProcess::say(const Send& send) {
    keep_books(send);
    if (durable()) world_.checker().promised(send.message);
    if (!world_.network().send_to({host(), Port::control}, send.to, send.message, send.body))
        gone_.push_back(send.to);
}

void BrokerProcess::tell_of_gone() {
    for (PeerId& peer : std::exchange(gone_, {}))
        if (alive()) step(Unroutable{std::move(peer)});
}

void BrokerProcess::take(SimulatedJournal::Told told) {
    tell_of_gone();
    if (alive() && told.trouble) step(broker::StoreTrouble{*std::move(told.trouble)});
    for (Fetched& fetched : told.fetched)
        if (alive()) step(std::move(fetched));
    if (alive() && told.committed) step(*told.committed);
}

void BrokerProcess::check() const {
    core_.check_invariants();
    std::uint64_t limit = world_.scenario().broker_memory, held = 0, largest = 0;
    if (!durable() || limit == 0) return;
    for (const auto& [id, job] : core_.jobs()) held += job.payload->blocks.held_bytes();
    for (const JobPlan& job : world_.scenario().jobs)
        largest = std::max<std::uint64_t>(
            largest,
            std::min<std::uint64_t>(job.block_fragments, job.count) * (job.payload_bytes + 100));
    if (held > limit + largest)
        world_.checker().complain("the broker holds " + std::to_string(held) +
                                  " bytes, its limit is " + std::to_string(limit));
}

void BrokerProcess::keep_books(const Send& send) {
    if (auto* dispatch = std::get_if<wire::Dispatch>(&send.message))
        lent_[send.to][dispatch->job].add({dispatch->first, dispatch->first + dispatch->count});
}

void BrokerProcess::settle_books(const PeerId& from, const wire::Done& done) {
    auto& books = lent_[from];
    for (const auto& run : done.runs) books[run.job].remove(run.range);
    for (const auto& job : done.failures)
        for (const auto& failure : job.failures)
            books[job.job].remove({failure.index, failure.index + 1});
    for (const auto& returned : done.returned)
        for (Range range : returned.ranges) books[returned.job].remove(range);
}

/// The broker takes a worker for dead: what that may have been running gets nearer to the crash
/// limit.
void BrokerProcess::blame(const Note& note) {
    world_.trace().add(world_.scheduler().now(), note.what, [&] {
        return world_.name_of(host()) + ": " + note.what + " " + note.peer + " " +
               (note.job ? world_.trace().name_of(*note.job) : "") + " " +
               (note.range.empty() ? "" : fanfold::to_string({note.range})) + " " + note.detail;
    });
    if (std::string_view(note.what) != "peer gone") return;
    for (auto& [peer, books] : lent_) {
        if (names_[peer] != note.peer) continue;
        for (auto& [job, ranges] : std::exchange(books, {}))
            for (Range range : ranges.ranges())
                for (Index index = range.begin; index < range.end; ++index)
                    world_.checker().endangered(job, index);
    }
}

void BrokerProcess::close_all(bool silently) {
    world_.network().unbind({host(), Port::control}, silently);
    world_.network().unbind({host(), Port::blocks}, silently);
}

std::string BrokerProcess::leftovers() const {
    std::string text;
    for (const auto& [id, job] : core_.jobs())
        if (job.running()) text += " job " + world_.trace().name_of(id) + " runs";
    for (const auto& [peer, session] : core_.sessions())
        if (!session.load->lent.empty()) text += " has lent something to " + session.name;
    return text;
}

// --- a gatherer

GathererProcess::GathererProcess(World& world, HostId host)
    : ServerProcess(world, host),
      core_({.self = {.name = world.name_of(host),
                      .epoch = new_epoch(),
                      .results = {to_string(Endpoint{host, Port::results})},
                      .collect = {to_string(Endpoint{host, Port::collect})}},
             .memory_bytes = memory_of(world.scenario().gatherer_memory, durable(),
                                       limits::gatherer_memory_bytes),
             .durable = durable(),
             .steady_began = std::chrono::floor<std::chrono::milliseconds>(
                 wall_clock() - now().time_since_epoch())}) {}

void GathererProcess::start() {
    restore(world_, host(), disk(), [this](const Record& record) {
        core_.restore(record);
        if (core_.unreadable_rows() > 0) throw StartupError("a row of the gatherer can't be read");
    });
    world_.network().bind({host(), Port::results}, guarded([this](Arrival arrival) {
                              step(Pulled{std::move(arrival.message), std::move(arrival.body)});
                          }));
    world_.network().bind({host(), Port::collect}, guarded([this](Arrival arrival) {
                              step(Received{std::move(arrival.from), std::move(arrival.message),
                                            std::move(arrival.body)});
                          }));
    connect();
    input([this] { step(Tick{}); });
}

void GathererProcess::drain(bool off) {
    input([this, off] {
        drained_ = !off;
        step(gatherer::FromBroker{wire::Drain{.off = off}, {}});
    });
}

void GathererProcess::connect() {
    if (control_ != 0) world_.network().close(control_, false);
    control_ = world_.network().connect(
        host(), {world_.scenario().broker(), Port::control}, random_peer('g'),
        guarded([this](Arrival arrival) {
            if (arrival.is_part) return step(Arriving{});
            step(gatherer::FromBroker{std::move(arrival.message), std::move(arrival.body)});
        }));
}

void GathererProcess::tick() {
    if (world_.bug() != Bug::time_not_looked_at ||
        world_.scheduler().now() < Time{} + std::chrono::milliseconds(200))
        step(Tick{});
}

void GathererProcess::step(gatherer::Event event) {
    std::vector<gatherer::Action> actions;
    core_.step(now(), std::move(event), actions);
    for (gatherer::Action& action : actions) {
        if (!lives_on(actions.size())) return;
        act(action);
    }
    journal().hand_over();
    tell_of_gone();
}

void GathererProcess::act(gatherer::Action& action) {
    bool early = world_.bug() == Bug::shown_too_early || !durable();
    if (std::holds_alternative<Note>(action)) return;
    if (auto* record = std::get_if<gatherer::Persist>(&action))
        return journal().append(std::move(*record));
    if (auto* fetch = std::get_if<Fetch>(&action)) return journal().fetch(*fetch);
    if (std::holds_alternative<gatherer::Reconnect>(action)) return connect();
    if (auto* send = std::get_if<Send>(&action)) {
        if (early) return say(*send);
        return journal().when_safe([this, held = std::move(*send)] { say(held); });
    }
    auto& send = std::get<gatherer::SendBroker>(action);
    early = early || std::holds_alternative<wire::Hello>(send.message) ||
            std::holds_alternative<wire::Heartbeat>(send.message);
    if (early) return say_to_broker(send);
    journal().when_safe([this, connection = control_, held = std::move(send)] {
        if (connection == control_) say_to_broker(held);
    });
}

void GathererProcess::say(const Send& send) {
    if (durable()) world_.checker().promised(send.message);
    if (!world_.network().send_to({host(), Port::collect}, send.to, send.message, send.body))
        gone_.push_back(send.to);
}

void GathererProcess::say_to_broker(const gatherer::SendBroker& send) {
    if (durable()) world_.checker().promised(send.message);
    world_.network().send(control_, send.message, send.body);
}

void GathererProcess::tell_of_gone() {
    for (PeerId& peer : std::exchange(gone_, {}))
        if (alive()) step(Unroutable{std::move(peer)});
}

void GathererProcess::take(SimulatedJournal::Told told) {
    if (told.trouble) step(gatherer::StoreTrouble{*std::move(told.trouble)});
    for (Fetched& fetched : told.fetched)
        if (alive()) step(std::move(fetched));
    if (alive() && told.committed) step(*told.committed);
    if (alive()) tell_of_gone();
}

void GathererProcess::check() const {
    core_.check_invariants();
    std::uint64_t limit = world_.scenario().gatherer_memory;
    if (!durable() || limit == 0 || core_.memory_bytes() <= limit + room_of_messages) return;
    world_.checker().complain(world_.name_of(host()) + " has " +
                              std::to_string(core_.memory_bytes()) +
                              " bytes in memory, its limit is " + std::to_string(limit));
}

void GathererProcess::close_all(bool silently) {
    world_.network().unbind({host(), Port::results}, silently);
    world_.network().unbind({host(), Port::collect}, silently);
    world_.network().close(control_, silently);
}

/// What nobody may hold any more is told; results of submitted jobs stay.
std::string GathererProcess::leftovers() const {
    // The last one is never drained; jobs of a gatherer with a disk go only to one with a disk.
    const Scenario& scenario = world_.scenario();
    if (drained_ && core_.kept_jobs() > 0 && (!durable() || scenario.durable.back()))
        return " is drained, and has jobs: " + std::to_string(core_.kept_jobs());
    std::uint64_t most = 0;
    for (const JobPlan& job : scenario.jobs)
        if (!job.spec.attached) most += job.count * (job.value_bytes + bytes_beside);
        else if (!job.collected_by_owner || !scenario.faults.empty())
            most += job.count * (job.value_bytes + bytes_beside);
    if (core_.held_bytes() <= most) return {};
    return " holds " + std::to_string(core_.held_bytes()) + " bytes";
}

}  // namespace fanfold::simulation
