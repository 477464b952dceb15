// The moments at which jobs want attention: at most one of each kind for a job. Plain value, no
// thread of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "shared/base/ids.hpp"

namespace fanfold::gatherer {

enum class TimerKind : std::uint8_t {
    deadline,  // the job's deadline is reached
    propose,   // the broker has not answered a proposal
    expiry,    // an ended job whose broker is gone is forgotten
};

class Timers {
public:
    void arm(TimerKind kind, const JobId& job, Time at) {
        disarm(kind, job);
        armed_[{job, kind}] = at;
        queue_.insert({at, job, kind});
    }
    void disarm(TimerKind kind, const JobId& job) {
        auto armed = armed_.find({job, kind});
        if (armed == armed_.end()) return;
        queue_.erase({armed->second, job, kind});
        armed_.erase(armed);
    }
    void disarm_all(const JobId& job) {
        for (auto kind : {TimerKind::deadline, TimerKind::propose, TimerKind::expiry})
            disarm(kind, job);
    }

    std::optional<Time> next() const {
        if (queue_.empty()) return std::nullopt;
        return std::get<Time>(*queue_.begin());
    }
    /// The earliest that is due, disarmed.
    std::optional<std::pair<TimerKind, JobId>> take_due(Time now) {
        if (queue_.empty()) return std::nullopt;
        auto [at, job, kind] = *queue_.begin();
        if (at > now) return std::nullopt;
        disarm(kind, job);
        return std::pair{kind, job};
    }

private:
    std::map<std::pair<JobId, TimerKind>, Time> armed_;
    std::set<std::tuple<Time, JobId, TimerKind>> queue_;
};

}  // namespace fanfold::gatherer
