#include "broker/dispatch/estimates.hpp"

#include <algorithm>

#include "broker/base/limits.hpp"
#include "broker/dispatch/scheduler.hpp"

namespace fanfold::broker {

namespace {
/// Each job's command lines are other ones, so they share no estimate.
bool has_own_commands(const Job& job) { return job.spec->function == wire::command_function; }
}  // namespace

double Estimates::each(const Job& job) const {
    const double own = job.learnt->times.each();
    if (own > 0 || has_own_commands(job)) return own;
    auto known = functions_.find(job.spec->function);
    return known == functions_.end() ? 0 : known->second.times.each();
}

double Estimates::pace(const Job& job, const Session& worker) const {
    auto known = worker.paces->find(job.spec->function);
    return known == worker.paces->end() ? 1 : known->second;
}

void Estimates::learn(Job& job, Session& worker, const Run& run) {
    const auto count = static_cast<double>(run.count);
    double& pace = worker.paces.write()->try_emplace(job.spec->function, 1).first->second;
    pace = learn_pace(pace, run.busy, each(job) * count);
    Learnt& learnt = *job.learnt.write();
    learnt.times.learn(run.count, run.busy);
    learnt.result_bytes = static_cast<double>(run.bytes) / count;
    if (!has_own_commands(job)) functions_[job.spec->function].times.learn(run.count, run.busy);
}

std::optional<Duration> Estimates::p95(const Job& job) const {
    auto own = job.learnt->times.p95();
    auto known = functions_.find(job.spec->function);
    return own || known == functions_.end() ? own : known->second.times.p95();
}

void Estimates::earn(const Job& job, std::uint32_t fragments) {
    double& hedges = functions_[job.spec->function].hedges;
    hedges = std::min(hedges + limits::hedge_budget * fragments, limits::most_hedges);
}

bool Estimates::has_second(const Job& job) const {
    auto known = functions_.find(job.spec->function);
    return known != functions_.end() && known->second.hedges >= 1;
}

}  // namespace fanfold::broker
