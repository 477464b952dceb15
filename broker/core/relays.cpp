#include "broker/core/relays.hpp"

#include <algorithm>
#include <limits>
#include <string>
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
}  // namespace

void Relays::take(Step& step, Received& event) {
    const auto& [results, owner, number] = std::get<wire::Relay>(event.message);
    const wire::Marked marked{.job = results.job, .number = number};
    if (!send(step, event)) step.send(event.from, marked);
}

/// False: there is no room, or no way.
bool Relays::send(Step& step, Received& event) {
    auto& relay = std::get<wire::Relay>(event.message);
    Job* job = owners_.jobs.find_running(relay.results.job);
    if (!job || owners_.options.relay_credit == 0) return false;
    if (std::string why = flaw(relay.results, event.body, job->total()); !why.empty()) {
        owners_.conduct.strike(step, event.from, event.sender, "dropped results that make no sense",
                               std::move(why), event.body.size());
        return false;
    }
    const PeerId& to = job->assignment->gatherer;
    const Session* gatherer = owners_.sessions.find(to);
    if (!gatherer || gatherer->minor < wire::minor_of_relays) return false;
    const std::uint64_t bytes = event.body.size() + limits::relay_cost;
    Relayed& relayed = relayed_[to];
    if (relayed.bytes > 0 && relayed.bytes + bytes > limits::relayed_bytes) return false;
    relayed.runs.push_back({event.from, job->id, relay.number, bytes});
    relayed.bytes += bytes;
    relay.owner = event.from;
    step.send(to, std::move(relay), std::move(event.body), true);
    return true;
}

void Relays::answered(const PeerId& gatherer, const wire::Marked& marked) {
    auto at = relayed_.find(gatherer);
    if (at == relayed_.end()) return;
    Relayed& relayed = at->second;
    const auto run = std::ranges::find_if(relayed.runs, [&](const Run& of) {
        return of.worker == marked.owner && of.number == marked.number;
    });
    if (run == relayed.runs.end()) return;
    for (auto each = relayed.runs.begin(); each != run + 1; ++each) relayed.bytes -= each->bytes;
    relayed.runs.erase(relayed.runs.begin(), run + 1);
    if (relayed.runs.empty()) relayed_.erase(at);
}

void Relays::lose(Step& step, const PeerId& gatherer) {
    auto lost = relayed_.extract(gatherer);
    if (lost.empty()) return;
    for (const Run& run : lost.mapped().runs)
        if (owners_.sessions.find(run.worker))
            step.send(run.worker, wire::Marked{.job = run.job, .number = run.number});
}

void Relays::check_invariants() const {
    for (const auto& [gatherer, relayed] : relayed_) {
        FANFOLD_CHECK(owners_.sessions.find(gatherer) != nullptr);
        FANFOLD_CHECK(relayed.bytes <= limits::relayed_bytes || relayed.runs.size() == 1);
    }
}

}  // namespace fanfold::broker
