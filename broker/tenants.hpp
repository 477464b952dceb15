// Users of the broker: what is known of each, and who may see which jobs. Owned by the broker's core, on its thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/job.hpp"
#include "shared/access.hpp"

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

struct Tenant {
    Seldom denials;
};

/// For everybody else the job does not exist.
inline bool may_see(const Sender& sender, const Job& job) { return sender.user == job.user || sender.roles.has(Access::admin); }

/// For logs.
std::string user_text(const std::string& user);

}  // namespace fanfold::broker
