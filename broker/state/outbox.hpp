// What is sent a little later than it could be: messages that nobody waits for, and releases, which
// go to each worker in batches. Owned by the core's thread.
#pragma once

#include <algorithm>
#include <vector>

#include "broker/state/job.hpp"
#include "broker/state/sessions.hpp"
#include "broker/state/step.hpp"

namespace fanfold::broker {

class Outbox {
public:
    explicit Outbox(Sessions& sessions) : sessions_(sessions) {}

    void send_later(const Step& step, const PeerId& to, wire::Message message);
    /// A small job's owner waits for the end, and is told the rest when there is time for it.
    void tell_owner(Step& step, const Job& job, wire::Message message);
    /// The worker may let go of the range.
    void release(const Step& step, const PeerId& worker, const JobId& job, Range range);
    /// Nothing of the job is told any more, but for what is said from now on.
    void forget(const Job& job);

    /// flush_later() is wanted soon, and flush_releases() in this step unless it is to come anyway.
    void hurry(const Step& step) {
        later_at_ = std::min<Time>(later_at_, step.now + limits::later_by);
    }
    void hurry_releases(const Step& step) {
        if (release_at_ == Time::max()) release_at_ = step.now;
    }
    bool has_later(Time now) const { return later_at_ <= now; }
    bool has_releases(Time now) const { return release_at_ <= now; }
    void flush_later(Step& step);
    void flush_releases(Step& step);
    Time next() const { return std::min(later_at_, release_at_); }

private:
    Sessions& sessions_;
    std::vector<Send> later_;
    Time later_at_ = Time::max();
    std::vector<PeerId> releasing_;  // workers whose sessions have releases to tell
    Time release_at_ = Time::max();
};

}  // namespace fanfold::broker
