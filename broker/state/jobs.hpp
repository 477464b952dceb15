// All jobs of the broker: by id, by their users' keys, and those that run. Owned by the core's
// thread.
//
// Invariant: a key names one job, which has it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/books/lookup.hpp"
#include "broker/state/job.hpp"
#include "shared/base/access.hpp"

namespace fanfold::broker {

/// For everybody else the job does not exist.
inline bool may_see(const Sender& sender, const Job& job) {
    return sender.user == job.user || sender.roles.has(Access::admin);
}

class Jobs {
public:
    using All = IndexedMap<JobId, Job>;

    Job& add(const JobId& id, wire::JobSpec spec, std::string user, Tenant& tenant) {
        return all_.try_emplace(id, id, std::move(spec), std::move(user), &tenant).first->second;
    }
    /// It is found by its key from now on. False: another job has that key.
    bool add_key(const Job& job);
    void start(const Job& job) { running_.insert(job.id); }
    void stop(const Job& job) { running_.erase(job.id); }
    void erase(const Job& job);

    Job* find(const JobId& id) {
        auto it = all_.find(id);
        return it == all_.end() ? nullptr : &it->second;
    }
    Job* find_running(const JobId& id) {
        Job* job = find(id);
        return job && job->running() ? job : nullptr;
    }
    Job& at(const JobId& id) { return all_.at(id); }
    Job* find_key(const std::string& user, const std::string& key);
    All& all() { return all_; }
    const All& all() const { return all_; }
    const std::set<JobId>& running() const { return running_; }
    /// Those that the sender may see and the text selects: parts of ids, or "last".
    std::vector<JobId> select(const std::string& selector, const Sender& sender) const;
    void check_invariants() const;

private:
    All all_;
    std::map<std::pair<std::string, std::string>, JobId> keys_;  // by user and key
    std::set<JobId> running_;
};

}  // namespace fanfold::broker
