// A job's rounds: when it was opened, how it ended, and who is told. Owned by the core's thread.
//
// Invariant: a job has one outcome in a round, set once; nothing of it is on loan afterwards.
#pragma once

#include <string>
#include <vector>

#include "broker/core/retention.hpp"
#include "broker/dispatch/dispatcher.hpp"
#include "broker/state/outbox.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

/// How a job ends.
struct Ending {
    wire::Outcome outcome = wire::Outcome::failed;
    std::string reason{};
    bool lost = false;  // values that it had are gone
};

class Endings {
public:
    explicit Endings(const Owners& owners) : owners_(owners) {}

    void open(Job& job, Time now) { job.life.write()->opened = now; }
    void end(Step& step, Job& job, Ending ending);
    /// Every value was in hand, and collectors know it: that wins over a cancel that was on its
    /// way.
    void complete(Step& step, Job& job);

    /// The gatherer has so many values of the job, which has ended; less than there were: who asks
    /// from now on is told so. Whether that is news.
    bool lose_values(Step& step, Job& job, std::uint64_t left);
    /// It has nothing of it.
    bool lose_results(Step& step, Job& job);
    /// The gatherer counts its rounds from there.
    static void take_round(Job& job, std::uint32_t round) { job.life.write()->round = round; }
    /// What has ended has ended for its gatherer's last assignment, too.
    void tell_again(Step& step, Job& job);

    /// The peer is told of the job's end; at once if it has ended.
    void watch(Step& step, Job& job, const PeerId& peer);
    void unwatch(Job& job, const PeerId& peer) { job.life.write()->watchers.erase(peer); }

    /// Its deadline is long past, and its gatherer has not ended it.
    static bool is_overdue(const Job& job, Time now) {
        return job.spec->deadline.count() > 0 &&
               now >= job.life->opened + job.spec->deadline + limits::deadline_grace;
    }

    /// Why it can't be retried; empty when it can.
    static std::string why_no_retry(const Job& job);
    /// A new round: whatever has no value is queued again. Returns what had failed.
    std::vector<Range> reopen(const Step& step, Job& job);

private:
    bool lose(Step& step, Job& job, std::uint64_t left, const std::string& what);
    void shorten(Job& job);
    void tell(Step& step, Job& job, bool is_news);

    const Owners& owners_;
};

}  // namespace fanfold::broker
