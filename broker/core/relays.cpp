#include "broker/core/relays.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "broker/state/conduct.hpp"
#include "broker/state/jobs.hpp"
#include "broker/state/sessions.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/objects.hpp"

namespace fanfold::broker {

namespace {
/// A gatherer would hold it against the broker.
std::string flaw(const wire::Results& results, const Slice& body,
                 const std::optional<std::uint64_t>& total) {
    if (results.count == 0 || results.count > limits::block_fragments ||
        results.first > std::numeric_limits<Index>::max() - results.count ||
        (total && results.first + results.count > *total))
        return "its fragments are none of the job's";
    if (!wire::is_objects(body.view(), results.count))
        return "its body of " + std::to_string(body.size()) + " bytes is not " +
               std::to_string(results.count) + " MessagePack objects";
    return {};
}

void answer(Step& step, const PeerId& worker, const JobId& job, std::uint64_t number) {
    step.send(worker, wire::Marked{.job = job, .number = number});
}
}  // namespace

void Relays::take(Step& step, Received& event) {
    const auto& relay = std::get<wire::Relay>(event.message);
    const Run run{.worker = event.from, .job = relay.results.job, .number = relay.number};
    switch (send(step, event)) {
        case Fate::sent: return;
        case Fate::refused: return answer(step, run.worker, run.job, run.number);
        case Fate::waits:
            const std::string& gatherer = owners_.jobs.at(run.job).assignment->known.name;
            ways_[gatherer].waiting[run.worker] = run;
    }
}

Relays::Fate Relays::send(Step& step, Received& event) {
    auto& relay = std::get<wire::Relay>(event.message);
    const Job* job = owners_.jobs.find_running(relay.results.job);
    if (!job || owners_.options.relay_credit == 0) return Fate::refused;
    if (std::string why = flaw(relay.results, event.body, job->total()); !why.empty()) {
        owners_.conduct.strike(step, event.from, event.sender, "dropped results that make no sense",
                               std::move(why), event.body.size());
        return Fate::refused;
    }
    const Session* gatherer = owners_.sessions.find(job->assignment->gatherer);
    if (!gatherer || job->assignment->moves) return Fate::waits;
    if (gatherer->minor < wire::minor_of_relays) return Fate::refused;
    Way& way = ways_[job->assignment->known.name];
    const std::uint64_t bytes = event.body.size() + limits::relay_cost;
    if (way.bytes > 0 && way.bytes + bytes > limits::relayed_bytes) return Fate::waits;
    way.sent.push_back({event.from, job->id, relay.number, bytes});
    way.bytes += bytes;
    relay.owner = event.from;
    step.send(job->assignment->gatherer, std::move(relay), std::move(event.body), true);
    return Fate::sent;
}

void Relays::answered(Step& step, const Session& gatherer, const wire::Marked& marked) {
    auto at = ways_.find(gatherer.gatherer.name);
    if (at == ways_.end()) return;
    Way& way = at->second;
    const auto run = std::ranges::find_if(way.sent, [&](const Run& of) {
        return of.worker == marked.owner && of.number == marked.number;
    });
    if (run == way.sent.end()) return;
    for (auto each = way.sent.begin(); each != run + 1; ++each) way.bytes -= each->bytes;
    way.sent.erase(way.sent.begin(), run + 1);
    if (way.bytes <= limits::relayed_bytes / 2) wake_next(step, way);
}

/// One after the other.
void Relays::wake_next(Step& step, Way& way) {
    if (way.waiting.empty()) return;
    auto next = way.waiting.upper_bound(way.woken);
    if (next == way.waiting.end()) next = way.waiting.begin();
    const auto& [worker, run] = *next;
    answer(step, worker, run.job, run.number);
    way.woken = worker;
    way.waiting.erase(next);
}

void Relays::begin(Step& step, const Session& gatherer) {
    lose(gatherer);
    auto way = ways_.extract(gatherer.gatherer.name);
    if (way.empty()) return;
    for (const auto& [worker, run] : way.mapped().waiting)
        answer(step, worker, run.job, run.number);
}

void Relays::lose(const Session& gatherer) {
    auto at = ways_.find(gatherer.gatherer.name);
    if (at == ways_.end()) return;
    Way& way = at->second;
    for (const Run& run : std::exchange(way.sent, {})) {
        if (!owners_.sessions.find(run.worker)) continue;
        Run& last = way.waiting.try_emplace(run.worker, run).first->second;
        if (last.number < run.number) last = run;
    }
    way.bytes = 0;
}

void Relays::sweep(Step& step) {
    for (auto& [gatherer, way] : ways_)
        if (way.sent.empty() && owners_.sessions.gatherer_named(gatherer)) wake_next(step, way);
    std::erase_if(ways_, [](const auto& each) {
        return each.second.sent.empty() && each.second.waiting.empty();
    });
}

void Relays::forget_worker(const PeerId& worker) {
    for (auto& [gatherer, way] : ways_) way.waiting.erase(worker);
}

void Relays::check_invariants() const {
    for (const auto& [gatherer, way] : ways_) {
        FANFOLD_CHECK(way.sent.empty() || owners_.sessions.gatherer_named(gatherer));
        FANFOLD_CHECK(way.bytes <= limits::relayed_bytes || way.sent.size() == 1);
        for (const auto& [worker, run] : way.waiting)
            FANFOLD_CHECK(owners_.sessions.find(worker) != nullptr);
    }
}

}  // namespace fanfold::broker
