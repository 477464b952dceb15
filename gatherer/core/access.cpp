// Who may do what: a job's results are for its own user, and for administrators.
#include <set>
#include <utility>

#include "gatherer/core/job.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::gatherer {

namespace {

using namespace std::chrono_literals;

constexpr Duration note_at_most_every =
    1s;  // a peer that asks in vain, again and again, must not fill the log

}  // namespace

/// As things stand: the sender may have been let in by an earlier table.
bool Core::may_collect(const Job& job, const Sender& sender) const {
    const Sender* now = &sender;
    if (allowed_ && !sender.public_key.empty()) {
        auto known = allowed_->find(sender.public_key);
        if (known == allowed_->end()) return false;
        now = &known->second;
    }
    if (now->roles.has(Access::admin)) return true;
    return now->roles.has(Access::submit) && now->user == job.user;
}

// Who is not let in any more hears nothing more; the connection itself can't be cut.
void Core::on_keys(Step& step, wire::AllowedKeys allowed) {
    allowed_.emplace();
    for (auto& key : allowed.keys)
        (*allowed_)[key.public_key] = {
            .user = std::move(key.user), .roles = {key.roles}, .public_key = key.public_key};
    std::set<PeerId> gone;
    for (const auto& [id, job] : jobs_)
        for (const auto& [peer, collector] : job->collectors)
            if (!may_collect(*job, collector.sender())) gone.insert(peer);
    for (const PeerId& peer : gone) drop_collector(step, peer);
}

void Core::note_denied(Step& step, const Sender& sender, const char* what,
                       std::optional<JobId> job) {
    ++denied_;
    if (denied_noted_at_ && step.now - *denied_noted_at_ < note_at_most_every) return;
    std::string who = sender.user.empty()
                          ? "key " + sender.public_key + ", which is not let in"
                          : "user " + sender.user + " (" + to_string(sender.roles) + ")";
    step.actions.push_back(Note{
        .level = Level::warn,
        .what = "denied",
        .job = job,
        .peer = sender.user,
        .detail = std::string(what) + ", by " + who + "; " + std::to_string(denied_) + " so far"});
    denied_noted_at_ = step.now;
}

}  // namespace fanfold::gatherer
