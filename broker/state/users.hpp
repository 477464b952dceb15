// Users: which keys are let in, what each user may take, and what it takes. Owned by the core's
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "broker/state/jobs.hpp"
#include "broker/state/session.hpp"
#include "broker/state/step.hpp"
#include "shared/base/token_bucket.hpp"

namespace fanfold::broker {

/// One user, as the broker's books know it. Lives as long as the core; Users writes it.
struct Tenant {
    std::uint64_t open_jobs = 0;      // that have not ended
    std::uint64_t unsealed_jobs = 0;  // of these, those that are not whole
    Holding held;                     // of all its jobs
    TokenBucket submissions;          // jobs opened
    TokenBucket denials;              // of what it may not do
    TokenBucket strays;               // answers to blocks of no job
};

/// For logs.
std::string user_text(const std::string& user);

class Users {
public:
    explicit Users(const Options& options) : options_(options), others_(options.user_limits) {}

    Tenant& tenant(const std::string& user) { return tenants_[user]; }
    const UserLimits& limits_of(const std::string& user) const;
    /// How a limit is changed: by an option of the broker, or in its file of allowed keys.
    std::string limit_text(const std::string& user, const char* name) const;

    // --- what a user may do; a text says why not
    std::string why_no_job(const std::string& user);
    std::string why_no_submission(const std::string& user, Time now);
    std::string why_too_large(const std::string& user, const wire::Block& block,
                              const Slice& body) const;
    std::string why_too_many(const std::string& user, std::uint64_t fragments) const;
    /// For a job that takes so many bytes to be described.
    std::string why_no_description(const std::string& user, std::uint64_t bytes);
    std::string why_too_urgent(const std::string& user, std::int32_t priority) const;
    bool has_room(const Job& job) const;
    /// Its user's results that are kept are as many as may be.
    bool results_full(const Job& job) const;
    /// What the user may still have held, at most `most`.
    std::uint64_t room(const std::string& user, std::uint64_t most);

    // --- what it does
    void start(const Job& job);
    void seal(const Job& job) { --job.tenant->unsealed_jobs; }
    void stop(const Job& job);
    /// The job holds so much now, and held so much before.
    void hold(const Job& job, const Holding& now, const Holding& before);
    /// Counts one more thing that it may not do. The number, when it is to be said.
    std::optional<std::uint64_t> deny(const std::string& user, Time now);
    std::uint64_t denied() const { return denied_; }

    // --- keys
    void change_keys(KeysChanged change);
    bool is_let_in(const Session& session) const;
    /// What a gatherer is to know of them; nothing while everybody is let in.
    std::optional<wire::AllowedKeys> allowed_keys() const;
    /// Whether a gatherer may have the key.
    bool may_gather(const std::string& key) const;
    /// Whether the key is known, and another user's.
    bool is_key_of_another(const std::string& key, const std::string& user) const;

    void check_invariants(const Jobs& jobs) const;

private:
    const Options& options_;
    std::map<std::string, UserLimits> limits_;
    UserLimits others_;  // of users who have none there
    std::map<std::string, Tenant> tenants_;
    std::optional<std::map<std::string, wire::AllowedKey>> allowed_keys_;  // none: everybody
    std::uint64_t denied_ = 0;
};

}  // namespace fanfold::broker
