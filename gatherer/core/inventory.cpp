#include "gatherer/core/inventory.hpp"

#include <utility>

#include "shared/base/limits.hpp"

namespace fanfold::gatherer {

void Inventory::say(Step& step, const JobTable& jobs) {
    wire::Holds holds;
    for (const auto& [id, job] : jobs) {
        if (holds.jobs.size() == limits::held_jobs) broker_.send(step, std::exchange(holds, {}));
        holds.jobs.push_back({.job = id,
                              .assignment = job->life.round().assignment,
                              .round = job->life.round().number,
                              .values = job->assembly.receipts().values()});
    }
    holds.last = true;
    broker_.send(step, std::move(holds));
}

void Inventory::describe(Step& step, const Job& job) {
    const Life::Round& round = job.life.round();
    const auto received = job.assembly.received().ranges();
    wire::Described described{.assign = {.job = job.id,
                                         .assignment = round.assignment,
                                         .spec = job.assembly.spec(),
                                         .total = job.assembly.total(),
                                         .round = round.number,
                                         .user = job.user},
                              .next = received.empty() ? 0 : received.back().end};
    const Receipts& receipts = job.assembly.receipts();
    if (job.life.ended())
        described.end = {.job = job.id,
                         .assignment = round.assignment,
                         .outcome = job.life.verdict().outcome,
                         .reason = job.life.verdict().reason,
                         .total = job.assembly.total(),
                         .values = receipts.values(),
                         .missing = job.life.missing(),
                         .lost = job.life.lost()};
    broker_.send(step, std::move(described));
}

}  // namespace fanfold::gatherer
