// Workers that can't run what others can. A fragment that such a worker gives back runs elsewhere,
// and a retry where it has not failed; a worker whose quick failures stand out is doubted, and gets
// nothing until it has passed its own check. Owned by the core's thread.
#pragma once

#include <string>

#include "broker/dispatch/loads.hpp"
#include "broker/dispatch/pools.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class Troubles {
public:
    explicit Troubles(const Owners& owners) : owners_(owners) {}

    /// The worker could not run the fragment. False: no other can either, or too many have tried,
    /// so that it fails.
    bool is_given_back(const Step& step, const PeerId& from, Job& job,
                       const wire::Trouble& trouble);
    /// So many fragments of the job ended well there.
    void count(const Job& job, Session& worker, std::uint64_t ended);
    /// An attempt failed there.
    void count_failure(Step& step, const PeerId& from, Job& job, const wire::Failure& failure);
    void forget(Job& job) { *job.trouble.write() = {}; }

    /// Whether another worker of its pool had better run the fragment.
    bool is_avoided(const Job& job, Index index, const PeerId& worker, LivedTime lived) const;

private:
    Tally others(const Job& job, const Session& worker, const std::string& key) const;
    Tally& tally(const Job& job, Session& worker);
    void doubt(Step& step, const PeerId& peer, Session& worker, std::string why);

    const Owners& owners_;
};

/// Whether so many quick failures of one worker are no chance, by those of the others: at least
/// limits::least_failures, more than half of its attempts, and more than what the others' rate p
/// lets expect by limits::deviations times sqrt(n p (1 - p)), where p is (failed + 1) / (ended + 2)
/// of at least limits::least_attempts.
bool stands_out(const Tally& one, const Tally& others);

}  // namespace fanfold::broker
