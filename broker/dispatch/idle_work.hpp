// What idle slots get when nothing is queued for them: work that others have and have not started,
// which is recalled; and then, where that is allowed, second attempts of fragments that run far
// longer than others. Owned by the core's thread.
#pragma once

#include <optional>
#include <vector>

#include "broker/dispatch/dispatcher.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class IdleWork {
public:
    explicit IdleWork(const Owners& owners) : owners_(owners) {}

    /// Something has changed that may have left idle slots.
    void wake(Time now) { next_ = std::min(next_, now); }
    /// Looks for work for idle slots, if it is time to.
    void scan(Step& step);
    /// A worker gives back what was recalled.
    void on_recalled(Step& step, const PeerId& from, Session& worker, const wire::Done& done);
    Time next() const { return std::max(next_, not_before_); }

private:
    /// Something on loan that had better be elsewhere.
    struct Find {
        PeerId worker{};
        LentKey key{};
        Duration gain{};       // how much sooner it should be done
        bool started = false;  // its worker runs it, so only its tail can be had,
        bool overdue = false;  // and takes longer over it than it should
    };
    /// One look at the workers of a pool of which some slots are idle.
    struct Scan {
        std::vector<Find> behind;  // what waits, or is the tail of what runs
        std::vector<Find> late;    // single fragments that are past their time
        std::size_t idle = 0;      // slots
        std::size_t seen = 0;
        Time again = Time::max();  // when there may be more to find
    };

    void scan(const Step& step, const Pool& pool, Scan& scan) const;
    void scan(const Step& step, const PeerId& peer, const Pool& pool, Scan& scan) const;
    void recall(Step& step, const Scan& scan);
    RangeSet tail(const Find& found) const;
    std::optional<Duration> hedge_delay(const Job& job, const Session& worker) const;
    bool hedge(Step& step, const Find& found);
    const Place* second_place(const Job& job, const PeerId& first) const;

    const Owners& owners_;
    Time next_ = Time::max();
    Time not_before_{};
};

}  // namespace fanfold::broker
