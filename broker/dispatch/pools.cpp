#include "broker/dispatch/pools.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::broker {

// --- demands

Demand::Demand(const wire::JobSpec& spec)
    : function(spec.function), require(spec.require), resources(spec.resources) {
    std::ranges::sort(require);
    require.erase(std::unique(require.begin(), require.end()), require.end());
    std::ranges::sort(resources);
}

bool Demand::met_by(const Session& worker) const {
    if (worker.role != wire::Role::worker || *worker.absence ||
        !worker.offer.functions.contains(function))
        return false;
    auto has = [&](const wire::Resource& wanted) {
        auto it = worker.offer.resources.find(wanted.name);
        return it != worker.offer.resources.end() && it->second >= wanted.amount;
    };
    return std::ranges::all_of(
               require, [&](const auto& label) { return worker.offer.labels.contains(label); }) &&
           std::ranges::all_of(resources, has);
}

bool Demand::fits(const Session& worker) const {
    return std::ranges::all_of(resources, [&](const wire::Resource& wanted) {
        auto taken = worker.load->taken.find(wanted.name);
        std::uint64_t all = worker.offer.resources.at(wanted.name);
        std::uint64_t used = taken == worker.load->taken.end()
                                 ? 0
                                 : std::min(all, taken->second);  // a demand may name one twice
        return all - used >= wanted.amount;
    });
}

std::string Demand::unmet() const {
    std::string offers = "offers the function '" + function + "'";
    std::string has;
    for (const auto& label : require)
        has += (has.empty() ? "" : " and ") + ("the label '" + label + "'");
    for (const auto& resource : resources)
        has += (has.empty() ? "" : " and ") + resource.name + "=" + std::to_string(resource.amount);
    std::string text =
        has.empty() ? "no worker " + offers : "no worker that " + offers + " has " + has;
    if (function == wire::command_function)
        text += "; workers run the command lines of jobs with --allow-exec";
    return text;
}

// --- workers

void Pools::join(const PeerId& peer, Session& worker) {
    Membership& membership = *worker.membership.write();
    membership.slots = worker.usable_slots();
    for (auto& [demand, pool] : pools_) {
        if (!demand.met_by(worker) || !pool.members.insert(peer).second) continue;
        membership.pools.push_back(&pool);
        pool.slots += membership.slots;
    }
}

void Pools::leave(const PeerId& peer, Session& worker) {
    move(worker, std::nullopt);
    Membership& membership = *worker.membership.write();
    for (Pool* pool : membership.pools) {
        pool->members.erase(peer);
        pool->slots -= membership.slots;
    }
    membership.pools.clear();
}

void Pools::move(Session& worker, std::optional<Place> place) {
    Membership& membership = *worker.membership.write();
    for (Pool* pool : membership.pools) {
        if (membership.place) pool->places.erase(*membership.place);
        pool->slots = pool->slots + worker.usable_slots() - membership.slots;
        if (!place || !pool->demand.fits(worker)) continue;
        pool->places.insert(*place);
        if (!pool->for_slots.stuck && !pool->to_queue.stuck) continue;
        pool->for_slots.stuck = pool->to_queue.stuck = false;
        place_heads(*pool);
    }
    membership.place = std::move(place);
    membership.slots = worker.usable_slots();
}

// --- jobs

void Pools::enter(Job& job, Sessions::All& sessions) {
    Demand demand(*job.spec);
    auto found = pools_.find(demand);
    if (found == pools_.end()) {
        drop_unused(sessions);
        found = pools_.try_emplace(demand, demand).first;
        Pool& pool = found->second;
        for (auto& [peer, session] : sessions) {
            if (!demand.met_by(session)) continue;
            Membership& membership = *session.membership.write();
            pool.members.insert(peer);
            membership.pools.push_back(&pool);
            pool.slots += membership.slots;
            if (membership.place && demand.fits(session)) pool.places.insert(*membership.place);
        }
    }
    job.waiting.write()->pool = &found->second;
    found->second.jobs.insert(job.id);
}

void Pools::exit(Job& job) {
    park(job);
    Pool& pool = *std::exchange(job.waiting.write()->pool, nullptr);
    pool.jobs.erase(job.id);
    pool.choosy.erase(job.id);
}

void Pools::drop_unused(Sessions::All& sessions) {
    auto is_unused = [](const auto& item) { return item.second.jobs.empty(); };
    if (static_cast<std::size_t>(std::ranges::count_if(pools_, is_unused)) < limits::unused_pools)
        return;
    for (auto& [peer, session] : sessions)
        std::erase_if(session.membership.write()->pools,
                      [](const Pool* pool) { return pool->jobs.empty(); });
    std::erase_if(pools_, is_unused);
}

void Pools::measure(const Sessions::All& sessions) {
    for (auto& [demand, pool] : pools_) {
        std::optional<Duration> nearest;
        for (const PeerId& worker : pool.members) {
            const Duration to = sessions.at(worker).load->round_trip;
            nearest = std::min(nearest.value_or(to), to);
        }
        pool.round_trip = nearest.value_or(Duration{});
    }
}

void Pools::ready(Job& job, bool queueing) {
    Waiting& waiting = *job.waiting.write();
    Line& line = queueing ? waiting.pool->to_queue : waiting.pool->for_slots;
    if (waiting.line == &line) return;
    park(job);
    waiting.line = &line;
    line.turns.insert(Turn(job));
    place_heads(*line.pool);
}

void Pools::park(Job& job) {
    if (!job.waiting->line) return;
    Line& line = *std::exchange(job.waiting.write()->line, nullptr);
    line.turns.erase(Turn(job));
    place_heads(*line.pool);
}

Line* Pools::next() { return heads_.empty() ? nullptr : heads_.begin()->second; }

void Pools::stick(Line& line) {
    line.stuck = true;
    place_heads(*line.pool);
}

void Pools::place_heads(Pool& pool) {
    const Line& first = pool.for_slots;
    const Line& second = pool.to_queue;
    bool overtakes = first.stuck && !first.turns.empty() && !second.turns.empty() &&
                     *first.turns.begin() < *second.turns.begin();
    place_head(pool.for_slots, !first.stuck);
    place_head(pool.to_queue, !second.stuck && !overtakes);
}

void Pools::place_head(Line& line, bool may_go) {
    std::optional<Turn> head;
    if (may_go && !line.turns.empty()) head = *line.turns.begin();
    bool same = head && line.head && !(*head < *line.head) && !(*line.head < *head);
    if (same) return;
    if (line.head) heads_.erase(*line.head);
    line.head = head;
    if (head) heads_.emplace(*head, &line);
}

void Pools::check_invariants(const Sessions::All& sessions) const {
    std::size_t lines_with_head = 0;
    for (const auto& [demand, pool] : pools_) {
        std::uint64_t slots = 0;
        for (const auto& [peer, session] : sessions) {
            FANFOLD_CHECK(pool.members.contains(peer) == demand.met_by(session));
            if (!demand.met_by(session)) continue;
            FANFOLD_CHECK(std::ranges::count(session.membership->pools, &pool) == 1);
            FANFOLD_CHECK(session.membership->slots == session.usable_slots());
            slots += session.usable_slots();
            if (session.membership->place)
                FANFOLD_CHECK(pool.places.contains(*session.membership->place) ==
                              demand.fits(session));
        }
        FANFOLD_CHECK(pool.slots == slots);
        FANFOLD_CHECK(pool.places.size() <= pool.members.size());
        for (const Line* line : {&pool.for_slots, &pool.to_queue}) {
            for (const Turn& turn : line->turns) FANFOLD_CHECK(pool.jobs.contains(turn.id));
            if (line->stuck || line->turns.empty()) FANFOLD_CHECK(!line->head);
            if (line == &pool.for_slots)
                FANFOLD_CHECK(line->head.has_value() == (!line->stuck && !line->turns.empty()));
            if (!line->head) continue;
            ++lines_with_head;
            FANFOLD_CHECK(heads_.contains(*line->head) && heads_.at(*line->head) == line);
        }
    }
    FANFOLD_CHECK(heads_.size() == lines_with_head);
}

}  // namespace fanfold::broker
