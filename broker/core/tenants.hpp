// Users of the broker: what is known of each, and who may see which jobs. Owned by the broker's
// core, on its thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "broker/core/job.hpp"
#include "shared/base/access.hpp"

namespace fanfold::broker {

/// Something that peers may cause as often as they like: each is counted, one a second is said.
class Seldom {
public:
    /// Counts another one. Whether it is to be said.
    bool happened(Time now) {
        ++count_;
        if (said_ && now - *said_ < interval) return false;
        said_ = now;
        return true;
    }
    std::uint64_t count() const { return count_; }

private:
    static constexpr auto interval = std::chrono::seconds(1);
    std::uint64_t count_ = 0;
    std::optional<Time> said_;
};

/// So many in a minute, and as many at once after a minute of none.
class Bucket {
public:
    /// Takes one. If there is none, how long until there is.
    std::optional<Duration> take(Time now, std::uint64_t a_minute);

private:
    double left_ = 0;
    std::optional<Time> since_;
};

/// One user, as the broker's books know it. Lives as long as the core.
struct Tenant {
    std::uint64_t open_jobs = 0;       // that have not ended
    std::uint64_t unsealed_jobs = 0;   // of these, those that are not whole
    std::uint64_t held_bytes = 0;      // of payloads of all its jobs, in memory and in the store
    Bucket submissions;                // jobs opened
    Seldom denials;                    // of what it may not do
    std::deque<JobId> ended_attached;  // jobs, oldest first; nobody asks for these for long
    std::deque<JobId> ended_kept;
};

/// Jobs of one user that are not whole: each waits for a client, which may be gone.
inline constexpr std::uint64_t most_unsealed_jobs = 10'000;
/// Questions of one peer for keys that wait for an answer.
inline constexpr std::ptrdiff_t most_waiting_finds = 100;

/// For everybody else the job does not exist.
inline bool may_see(const Sender& sender, const Job& job) {
    return sender.user == job.user || sender.roles.has(Access::admin);
}

/// What is named there: too many labels or resources, or texts that are too long. Empty when it is
/// not so.
std::string why_too_much(const wire::Hello& hello);
std::string why_too_much(const wire::JobSpec& spec);

/// For logs.
std::string user_text(const std::string& user);

}  // namespace fanfold::broker
