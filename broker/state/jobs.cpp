#include "broker/state/jobs.hpp"

namespace fanfold::broker {

bool Jobs::add_key(const Job& job) {
    return job.spec->key.empty() || keys_.try_emplace({job.user, job.spec->key}, job.id).second;
}

void Jobs::erase(const Job& job) {
    if (!job.spec->key.empty() && find_key(job.user, job.spec->key) == &job)
        keys_.erase({job.user, job.spec->key});
    all_.erase(JobId(job.id));  // (a copy: it goes with its job)
}

Job* Jobs::find_key(const std::string& user, const std::string& key) {
    auto it = keys_.find({user, key});
    return it == keys_.end() ? nullptr : &at(it->second);
}

std::vector<JobId> Jobs::select(const std::string& selector, const Sender& sender) const {
    std::vector<JobId> found;
    const Job* newest = nullptr;
    for (const auto& [id, job] : all_) {
        if (!may_see(sender, job)) continue;
        if (!newest || newest->life->opened < job.life->opened) newest = &job;
        std::string text = to_string(id);
        if (selector.empty() || text.starts_with(selector) || text.ends_with(selector))
            found.push_back(id);
    }
    if (selector == "last" && newest) found.assign(1, newest->id);
    return found;
}

void Jobs::check_invariants() const {
    for (const auto& [id, job] : all_) {
        job.books.check_invariants(job.running());
        FANFOLD_CHECK(running_.contains(id) == job.running());
        if (job.running() && job.total()) FANFOLD_CHECK(job.books.next() == *job.total());
    }
    for (const JobId& id : running_) FANFOLD_CHECK(all_.contains(id));
    for (const auto& [key, id] : keys_)
        FANFOLD_CHECK(all_.at(id).user == key.first && all_.at(id).spec->key == key.second);
}

}  // namespace fanfold::broker
