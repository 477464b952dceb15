// A gatherer that comes, or comes back, may have less than the broker counts as safe, for its disk
// was put back to an older state, and more than the broker knows of, where that happened to the
// broker. So it says which jobs it has, the broker asks for those that it does not know and takes
// them over, and of each running job what is safe here is compared with what is there. Owned by the
// core's thread.
//
// Invariant: only running jobs of gatherers that are here are compared.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "broker/core/restoring.hpp"
#include "broker/state/owners.hpp"
#include "broker/state/session.hpp"
#include "broker/state/step.hpp"

namespace fanfold::broker {

class Reconciling {
public:
    Reconciling(const Owners& owners, Restoring& restoring)
        : owners_(owners), restoring_(restoring) {}

    /// The gatherer is here, and its jobs are assigned to it.
    void begin(Step& step, const PeerId& gatherer);
    void lose(const PeerId& gatherer) { gatherers_.erase(gatherer); }
    void on_gathered(const PeerId& gatherer, const wire::Gathered& gathered);
    /// All that was said before has been answered.
    void on_marked(Step& step, const PeerId& gatherer, const wire::Marked& marked);
    void on_holds(Step& step, const PeerId& gatherer, const wire::Holds& holds);
    void on_described(Step& step, const PeerId& gatherer, wire::Described described);
    /// It has forgotten the job before it could describe it.
    void on_forgotten(const PeerId& gatherer, const JobId& job);
    /// The gatherer has the job now, by an assignment of this number.
    void follow(Step& step, Job& job, const PeerId& gatherer, std::uint32_t number);
    void sweep(Step& step);
    void check_invariants() const;

private:
    /// One running job.
    struct Comparison {
        std::uint64_t mark = 0;
        std::uint32_t round = 0;  // of another one it says nothing
        RangeSet has;             // of what is settled here
        Time again_at{};          // when the Mark is said again
        Duration patience{};
    };
    struct Gatherer {
        std::map<JobId, Comparison> jobs;
        std::map<JobId, std::uint64_t> values;  // of known jobs that it has, until it has said all
        std::set<JobId> asked;                  // it is to describe these,
        Time again_at{};                        // and is asked again then
        Duration patience{};
        // Jobs that it has, and that are another one's here; with the numbers of assignments.
        std::map<JobId, std::uint32_t> copies;
        bool has_said_all = false;
    };
    void compare(Step& step, const PeerId& gatherer, const JobId& job);
    void ask(Step& step, const PeerId& gatherer, const JobId& job, Comparison& comparison);
    void conclude(Step& step, Job& job, const Comparison& comparison);
    void run_again(Step& step, Job& job, const RangeSet& gone);
    void describe(Step& step, const PeerId& gatherer, Gatherer& known);
    void judge_copy(Step& step, const PeerId& gatherer, Job& job, const wire::HeldJob& held);
    void erase_copies(Step& step, const Job& job);
    void take_copies(Step& step, const PeerId& gatherer);
    void follow_numbers(Step& step, Job& job, const wire::HeldJob& held);
    void look_for_lost(Step& step, const PeerId& gatherer);
    void settle(const PeerId& gatherer);

    const Owners& owners_;
    Restoring& restoring_;
    std::map<PeerId, Gatherer> gatherers_;
    std::uint64_t comparisons_ = 0;  // so far
};

}  // namespace fanfold::broker
