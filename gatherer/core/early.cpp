#include "gatherer/core/early.hpp"

#include "gatherer/core/assembly.hpp"
#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

namespace {

std::uint64_t charge(const wire::Results& results, const Slice& body) {
    return limits::early_message_bytes + results.meta.worker.size() + body.size();
}

}  // namespace

bool Early::add(Time now, const wire::Results& results, const Slice& body) {
    if (bytes_ + charge(results, body) > limits::early_result_bytes) return false;
    Job& job = jobs_[results.job];
    if (job.results.empty()) {
        job.results_until = now + limits::early_patience;
        due_.emplace_back(job.results_until, results.job);
    }
    job.results.push_back({results, keep(body, 0, body.size())});
    bytes_ += charge(results, body);
    return true;
}

bool Early::add(Time now, const EarlyCollect& early) {
    const JobId& job = early.collect.job;
    auto known = jobs_.find(job);
    if (known != jobs_.end()) {
        if (auto waiting = known->second.collects.find(early.peer);
            waiting != known->second.collects.end()) {
            waiting->second.collect = early.collect;
            waiting->second.sender = early.sender;
            return true;
        }
    }
    if (collects_ >= limits::early_collects) return false;
    Time until = now + limits::early_patience;
    jobs_[job].collects.emplace(early.peer, Waiting{early.collect, early.sender, until});
    due_.emplace_back(until, job);
    ++collects_;
    return true;
}

void Early::drop_results(Job& job) {
    for (const auto& early : job.results) bytes_ -= charge(early.results, early.body);
    job.results.clear();
}

void Early::erase_if_empty(const JobId& id) {
    auto job = jobs_.find(id);
    if (job != jobs_.end() && job->second.results.empty() && job->second.collects.empty())
        jobs_.erase(job);
}

Early::Taken Early::take(const JobId& id, const std::function<bool(const Sender&)>& may_collect) {
    Taken taken;
    auto job = jobs_.find(id);
    if (job == jobs_.end()) return taken;
    collects_ -= std::erase_if(job->second.collects, [&](const auto& item) {
        const auto& [peer, waiting] = item;
        if (!may_collect(waiting.sender)) return false;
        taken.collects.push_back({peer, waiting.collect, waiting.sender});
        return true;
    });
    taken.results = job->second.results;
    drop_results(job->second);
    erase_if_empty(id);
    return taken;
}

Early::Expired Early::expire(Time now) {
    Expired expired;
    for (; !due_.empty() && due_.front().first <= now; due_.pop_front()) {
        JobId id = due_.front().second;
        auto at = jobs_.find(id);
        if (at == jobs_.end()) continue;
        Job& job = at->second;
        if (!job.results.empty() && job.results_until <= now) {
            expired.results.emplace_back(id, job.results.size());
            drop_results(job);
        }
        for (auto waiting = job.collects.begin(); waiting != job.collects.end();) {
            if (waiting->second.until > now) {
                ++waiting;
                continue;
            }
            expired.collects.push_back(
                {waiting->first, waiting->second.collect, waiting->second.sender});
            waiting = job.collects.erase(waiting);
            --collects_;
        }
        erase_if_empty(id);
    }
    return expired;
}

void Early::drop(const PeerId& peer) {
    std::vector<JobId> left;
    for (auto& [id, job] : jobs_) {
        if (job.collects.erase(peer) == 0) continue;
        --collects_;
        left.push_back(id);
    }
    for (const JobId& id : left) erase_if_empty(id);
}

std::optional<Time> Early::next() const {
    if (due_.empty()) return std::nullopt;
    return due_.front().first;
}

void Early::check_invariants() const {
    std::uint64_t bytes = 0;
    std::size_t collects = 0;
    for (const auto& [id, job] : jobs_) {
        FANFOLD_CHECK(!job.results.empty() || !job.collects.empty());
        for (const auto& early : job.results) bytes += charge(early.results, early.body);
        collects += job.collects.size();
    }
    FANFOLD_CHECK(bytes == bytes_ && bytes <= limits::early_result_bytes);
    FANFOLD_CHECK(collects == collects_ && collects <= limits::early_collects);
    FANFOLD_CHECK(jobs_.empty() || !due_.empty());
}

}  // namespace fanfold::gatherer
