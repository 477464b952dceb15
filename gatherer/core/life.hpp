// Where one job stands: its rounds, its phase and its outcome. Owned by the gatherer's core, on its
// thread. Jobs and Outcomes change it, by one method for each transition.
//
// Invariants (checked by check_invariants()):
// - an ended job has an outcome, and only one that has ended is answered;
// - an orphaned job is answered: nobody is left to answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gatherer/core/policy.hpp"
#include "shared/base/range_set.hpp"

namespace fanfold::gatherer {

/// A job goes through these in order, and may leave out the second.
enum class Phase : std::uint8_t {
    gathering,  // results are stored and confirmed
    proposed,   // its policy has spoken and the broker has not answered: nothing more is stored
    ended,      // the outcome is final, collectors hear of it
};

class Life {
public:
    struct Round {
        std::uint32_t assignment = 0;
        std::uint32_t number = 0;  // how often the job was retried
        std::uint64_t start = 0;   // failures stored before this sequence are of earlier rounds
        Time opened{};
    };

    explicit Life(const Round& round) : round_(round) {}

    /// The broker gave the job to this gatherer once more. False: it did not.
    bool raise(std::uint32_t assignment);
    /// The round began then, by this host's clock.
    void set_opened(Time opened) { round_.opened = opened; }
    /// From any phase: the job gathers again.
    void start_round(const Round& round);
    /// From gathering. `lost`: the values are let go of once the broker has answered.
    void propose(Verdict verdict, bool lost);
    /// From gathering or proposed. Of a lost job nothing is left that could be damaged; but one
    /// that the broker calls complete is not shown as if it were.
    void conclude(Verdict verdict, std::vector<wire::Missing> missing);
    /// The broker knows the outcome, or no broker will ever ask for it.
    void answer() { answered_ = true; }
    /// The broker that knew the job lost its memory. False: another one did so before.
    bool orphan();
    void damage(std::string why) { damage_ = std::move(why); }
    void add_late(Range range) { late_.add(range); }
    /// Whether the broker may be asked again if the job still runs; it counts as asked then.
    bool may_ask(Time now);

    const Round& round() const { return round_; }
    bool gathering() const { return phase_ == Phase::gathering; }
    bool ended() const { return phase_ == Phase::ended; }
    Phase phase() const { return phase_; }
    const Verdict& verdict() const { return verdict_; }
    const std::vector<wire::Missing>& missing() const { return missing_; }
    bool answered() const { return answered_; }
    bool orphaned() const { return orphaned_; }
    bool lost() const { return lost_; }
    /// Why what was kept can't be read back; empty when it can. Collectors are refused then: nobody
    /// is shown less than there was.
    const std::string& damage() const { return damage_; }
    /// How many fragments came after the verdict.
    std::uint64_t late() const { return late_.size(); }

    void check_invariants() const;

private:
    Round round_;
    Phase phase_ = Phase::gathering;
    Verdict verdict_;                     // once proposed
    std::vector<wire::Missing> missing_;  // once ended
    bool answered_ = false;
    bool orphaned_ = false;
    bool lost_ = false;
    std::string damage_;
    RangeSet late_;
    Time asked_{};
};

}  // namespace fanfold::gatherer
