// What the worker knows of its jobs: their specification, and the gatherer that their results go
// to. Owned by the core, on its thread.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "shared/wire/messages.hpp"

namespace fanfold::worker {

class Briefs {
public:
    /// A job's specification never changes; its gatherer does with a later assignment.
    void learn(const JobId& job, const wire::JobBrief& brief) {
        auto [at, added] = briefs_.try_emplace(job, brief);
        if (!added) assign(job, brief.assignment, brief.gatherer);
    }
    /// False when the job is not known, or the assignment is past.
    bool assign(const JobId& job, std::uint32_t assignment, wire::GathererRef gatherer) {
        auto at = briefs_.find(job);
        if (at == briefs_.end() || assignment < at->second.assignment) return false;
        at->second.assignment = assignment;
        at->second.gatherer = std::move(gatherer);
        return true;
    }
    const wire::JobBrief* find(const JobId& job) const {
        auto at = briefs_.find(job);
        return at == briefs_.end() ? nullptr : &at->second;
    }
    /// Of a job that must be known.
    const wire::JobBrief& at(const JobId& job) const { return briefs_.at(job); }
    void forget(const JobId& job) { briefs_.erase(job); }
    template <class Needed>
    void forget_unless(Needed needed) {
        std::erase_if(briefs_, [&](const auto& item) { return !needed(item.first); });
    }

private:
    std::map<JobId, wire::JobBrief> briefs_;
};

}  // namespace fanfold::worker
