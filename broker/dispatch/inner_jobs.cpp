#include "broker/dispatch/inner_jobs.hpp"

#include <algorithm>

#include "broker/dispatch/pools.hpp"

namespace fanfold::broker {

void InnerJobs::enter(const Job& job) {
    if (job.spec->outer.empty()) return;
    const JobId& outer = job.spec->outer.back().job;
    inner_[outer].insert(job.id);
    touched_.insert(outer);
}

void InnerJobs::exit(const Job& job) {
    touch(job.id);
    wanting_.erase(job.id);
    if (job.spec->outer.empty()) return;
    auto found = inner_.find(job.spec->outer.back().job);
    if (found == inner_.end()) return;
    found->second.erase(job.id);
    if (!found->second.empty()) return;
    touched_.erase(found->first);
    inner_.erase(found);
}

void InnerJobs::touch(const JobId& outer) {
    if (!inner_.empty() && inner_.contains(outer)) touched_.insert(outer);
}

void InnerJobs::touch_all() {
    for (const auto& [outer, jobs] : inner_) touched_.insert(outer);
}

std::vector<JobId> InnerJobs::take_orphans(Time now) {
    std::vector<JobId> orphans;
    for (const JobId& outer : std::exchange(touched_, {})) {
        for (const JobId& id : inner_.at(outer)) {
            const Job& job = jobs_.at(id);
            if (is_orphan(now, job)) orphans.push_back(id);
            else if (job.waiting->line) want(job);  // its worker may have come
        }
    }
    return orphans;
}

std::vector<JobId> InnerJobs::take_wanting() {
    std::vector<JobId> wanting(wanting_.begin(), wanting_.end());
    wanting_.clear();
    return wanting;
}

/// The numbers of attempts are not kept over a restart of the broker, nor by a worker that is found
/// again.
const Loan* InnerJobs::loan_of(const wire::OuterAttempt& outer) const {
    const Job* job = jobs_.find_running(outer.job);
    if (!job) return nullptr;
    for (const Holdings<Loan>* loans :
         {&job->books.loans().first(), &job->books.loans().second()}) {
        const Loan* loan = loans->at(outer.index);
        if (loan && (loan->attempt == outer.attempt || loan->dispatch.origin == Origin::adopted))
            return loan;
    }
    return nullptr;
}

/// What is not known at all is of another fleet. After a start of the broker workers have a while
/// to say what they hold.
bool InnerJobs::is_orphan(Time now, const Job& job) const {
    const wire::OuterAttempt& outer = job.spec->outer.back();
    const Job* known = jobs_.find(outer.job);
    if (!job.spec->attached || !known) return false;
    if (known->running() && now < known->standing->rests_until) return false;
    return !loan_of(outer);
}

/// Whoever runs an attempt may have its threads: the worker's user is that of the inner job.
const PeerId* InnerJobs::host_of(const Job& job) const {
    const Pool& pool = *job.waiting->pool;
    const auto& outer = job.spec->outer;
    if (!loan_of(outer.back())) return nullptr;  // nobody waits any more
    for (auto attempt = outer.rbegin(); attempt != outer.rend(); ++attempt) {
        const Loan* loan = loan_of(*attempt);
        const Session* worker = loan ? sessions_.find(loan->worker) : nullptr;
        if (!worker || worker->sender.user != job.user || !pool.members.contains(loan->worker) ||
            !pool.demand.fits(*worker))
            continue;
        const bool has_some = std::ranges::any_of(worker->load->lent, [&](const auto& lent) {
            return lent.second.guest && lent.first.job == job.id;
        });
        return has_some ? nullptr : &loan->worker;
    }
    return nullptr;
}

}  // namespace fanfold::broker
