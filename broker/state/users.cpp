#include "broker/state/users.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::broker {

namespace {
/// The role of a key without which a session of this kind can't be.
Access access_of(wire::Role role) {
    switch (role) {
        case wire::Role::client: return Access::submit;
        case wire::Role::worker: return Access::work;
        case wire::Role::gatherer: return Access::gather;
    }
    return Access::admin;
}
}  // namespace

std::string user_text(const std::string& user) {
    return user.empty() ? "nobody in particular" : "user " + user;
}

const UserLimits& Users::limits_of(const std::string& user) const {
    auto own = limits_.find(user);
    return own == limits_.end() ? others_ : own->second;
}

std::string Users::limit_text(const std::string& user, const char* name) const {
    bool of_options = !limits_.contains(user) && others_ == options_.user_limits;
    return (user.empty() ? "" : " of user " + user) +
           (of_options ? " (--user-" + std::string(name) + ')'
                       : " (" + std::string(name) + "= in its allowed keys)");
}

// --- what a user may do

std::string Users::why_no_job(const std::string& user) {
    const std::uint64_t most = limits_of(user).open_jobs;
    const Tenant& known = tenant(user);
    if (most > 0 && known.open_jobs >= most)
        return "the broker takes at most " + std::to_string(most) + " open jobs" +
               limit_text(user, "jobs") + "; wait until one has ended, or cancel one";
    if (known.unsealed_jobs >= limits::unsealed_jobs)
        return "the broker takes at most " + std::to_string(limits::unsealed_jobs) +
               " unfinished submissions of one user; finish or cancel some";
    return {};
}

std::string Users::why_no_submission(const std::string& user, Time now) {
    const std::uint64_t most = limits_of(user).submissions;
    if (most == 0) return {};
    TokenBucket& submissions = tenant(user).submissions;
    submissions.set_rate({.at_once = most, .interval = Duration(std::chrono::minutes(1)) / most});
    if (submissions.take(now)) return {};
    return "the broker takes at most " + std::to_string(most) + " jobs a minute" +
           limit_text(user, "submissions") + "; try again in " +
           std::to_string(std::chrono::ceil<std::chrono::seconds>(submissions.wait(now)).count()) +
           " s";
}

std::string Users::why_no_description(const std::string& user, std::uint64_t bytes) {
    const std::uint64_t most = limits_of(user).held_bytes;
    const std::uint64_t known = tenant(user).held.described;
    if (most == 0 || known + bytes <= most) return {};
    return "its title, environment and other texts take " + std::to_string(bytes) +
           " bytes, those of other jobs " + std::to_string(known) +
           ", and the broker holds at most " + std::to_string(most) + limit_text(user, "bytes") +
           "; shorten them, wait until a job has ended, or forget ended ones";
}

std::string Users::why_too_large(const std::string& user, const wire::Block& block,
                                 const Slice& body) const {
    const UserLimits& most = limits_of(user);
    if (most.payload_bytes > 0)
        if (auto beyond = payload_beyond(block, body, most.payload_bytes))
            return "fragment " + std::to_string(beyond->index + 1) + ": its payload has " +
                   std::to_string(beyond->bytes) + " bytes, the broker takes at most " +
                   std::to_string(most.payload_bytes) + limit_text(user, "payload") +
                   "; split it, or pass the name of a file instead";
    return why_too_many(user, std::max(block.first + block.count, block.total.value_or(0)));
}

std::string Users::why_too_many(const std::string& user, std::uint64_t fragments) const {
    const std::uint64_t most = limits_of(user).fragments;
    if (most == 0 || fragments <= most) return {};
    return "the broker takes at most " + std::to_string(most) + " fragments in a job" +
           limit_text(user, "fragments") + "; split the job, or let each fragment do more";
}

std::string Users::why_too_urgent(const std::string& user, std::int32_t priority) const {
    const std::optional<std::int32_t> most = limits_of(user).priority;
    if (!most || priority <= *most) return {};
    return "the priority " + std::to_string(priority) + " is above " + std::to_string(*most) +
           ", the highest that the broker takes" + limit_text(user, "priority") +
           "; choose a lower one, or ask an administrator to raise it";
}

bool Users::has_room(const Job& job) const {
    const std::uint64_t most = limits_of(job.user).held_bytes;
    return most == 0 || job.tenant->held.all < most;
}

bool Users::results_full(const Job& job) const {
    if (job.spec->attached || job.tenant->held.results == 0) return false;
    const std::uint64_t most = limits_of(job.user).held_bytes;
    return most > 0 && job.tenant->held.results >= most;
}

std::uint64_t Users::room(const std::string& user, std::uint64_t most) {
    const std::uint64_t held = limits_of(user).held_bytes;
    return held == 0 ? most : std::min(most, held - std::min(held, tenant(user).held.all));
}

// --- what it does

void Users::start(const Job& job) {
    ++job.tenant->open_jobs;
    if (!job.total()) ++job.tenant->unsealed_jobs;
}

void Users::stop(const Job& job) {
    --job.tenant->open_jobs;
    if (!job.total()) --job.tenant->unsealed_jobs;
}

void Users::hold(const Job& job, const Holding& now, const Holding& before) {
    Holding& sums = job.tenant->held;  // a difference below zero wraps, and back
    sums.all += now.all - before.all;
    sums.described += now.described - before.described;
    sums.results += now.results - before.results;
}

std::optional<std::uint64_t> Users::deny(const std::string& user, Time now) {
    ++denied_;
    TokenBucket& denials = tenant(user).denials;
    return denials.take(now) ? std::optional(denials.asked()) : std::nullopt;
}

// --- keys

void Users::change_keys(KeysChanged change) {
    limits_ = std::move(change.limits);
    others_ = change.others == UserLimits{} ? options_.user_limits : change.others;
    allowed_keys_.emplace();
    for (wire::AllowedKey& key : change.keys) {
        std::string name = key.public_key;
        allowed_keys_->insert_or_assign(std::move(name), std::move(key));
    }
}

bool Users::is_let_in(const Session& session) const {
    if (session.sender.user.empty()) return true;  // within this program, or without keys
    auto known = allowed_keys_->find(session.sender.public_key);
    if (known == allowed_keys_->end() || known->second.user != session.sender.user) return false;
    Roles roles{known->second.roles};
    return roles.has(access_of(session.role)) ||
           (session.role == wire::Role::client && roles.has(Access::admin));
}

std::optional<wire::AllowedKeys> Users::allowed_keys() const {
    if (!allowed_keys_) return std::nullopt;
    wire::AllowedKeys message;
    for (const auto& [name, key] : *allowed_keys_) message.keys.push_back(key);
    return message;
}

bool Users::may_gather(const std::string& key) const {
    if (!allowed_keys_) return true;
    auto known = allowed_keys_->find(key);
    return known != allowed_keys_->end() && Roles{known->second.roles}.has(Access::gather);
}

bool Users::is_key_of_another(const std::string& key, const std::string& user) const {
    if (!allowed_keys_) return false;
    auto known = allowed_keys_->find(key);
    return known != allowed_keys_->end() && known->second.user != user;
}

void Users::check_invariants(const Jobs& jobs) const {
    std::map<std::string, Tenant> tenants;
    for (const auto& [id, job] : jobs.all()) {
        FANFOLD_CHECK(job.tenant == &tenants_.at(job.user));
        Tenant& sums = tenants[job.user];
        const Holding& holding = job.payload->holding;
        sums.held.all += holding.all;
        sums.held.described += holding.described;
        sums.held.results += holding.results;
        sums.open_jobs += job.running() ? 1 : 0;
        sums.unsealed_jobs += job.running() && !job.total() ? 1 : 0;
    }
    for (const auto& [user, tenant] : tenants_) {
        const Tenant& sums = tenants[user];
        FANFOLD_CHECK(tenant.held == sums.held && tenant.open_jobs == sums.open_jobs);
        FANFOLD_CHECK(tenant.unsealed_jobs == sums.unsealed_jobs);
    }
}

}  // namespace fanfold::broker
