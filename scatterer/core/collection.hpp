// The gathering half of one job: what its gatherer streams, each fragment delivered once, whatever
// is lost or sent twice on the way. Part of the scatterer's core, on its thread.
//
// Messages can be lost where a connection breaks and heals. Each says which position it follows;
// one of a gatherer before 1.9 does not, and that itself leaves gaps (what is missing, what others
// had). So the first gap is questioned: the gatherer is asked again from this client's position,
// and only when it answers with that gap again is it taken, and later ones with it. At the end the
// numbers must agree; if they don't, everything that is not delivered is asked for once more.
//
// Invariants (checked by check_invariants()):
// - nothing is acknowledged, and nothing delivered, past the position;
// - `delivered` holds each index that was handed to the user; each was handed over once.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "scatterer/core/step.hpp"
#include "scatterer/limits.hpp"
#include "shared/base/range_set.hpp"

namespace fanfold::scatterer {

class Collection {
public:
    Collection(JobId job, CollectHow how) : job_(job), how_(how) {}

    /// Collects at this gatherer, unless it does already: in order from where it is, as completed
    /// from the start, since another gatherer has another order. Assignment 0: not known yet, a
    /// guess.
    void aim(Step& step, std::uint32_t assignment, const wire::GathererRef& gatherer);
    bool aimed() const { return at_.has_value(); }
    std::optional<GathererKey> at() const {
        return at_ ? std::optional(key_of(*at_)) : std::nullopt;
    }
    bool is_at(const GathererKey& key) const { return at_ && key_of(*at_) == key; }

    // Messages of the gatherer it is at.
    void on_values(Step& step, const wire::Values& values, const Slice& body);
    void on_failures(Step& step, const wire::Failures& failures, const Slice& body);
    /// Whether that really was all; otherwise the rest has been asked for.
    bool on_concluded(Step& step, const wire::Concluded& concluded);
    /// All that it sent before the mark has come by now, or is lost.
    void on_marked(Step& step, const wire::Marked& marked);
    /// It sends: what is asked of it need not be asked again for a while.
    void heard(const Step& step);
    /// It does not know the job, or has no room: it is asked again later.
    void on_turned_away(const Step& step);

    void consumed(Step& step, const Consumed& consumed);
    /// Asks when nothing came for a while: whether all has come, by a Mark, or for all again where
    /// the gatherer knows no marks.
    void tick(Step& step);

    /// The gatherer has been silent since, though nothing here keeps it from sending.
    Time silent_since() const { return silent_since_; }
    bool waits_for_user() const { return waiting_bytes_ > limits::collector_credit_bytes / 2; }
    std::uint64_t failures() const { return failures_; }
    std::uint64_t values() const { return values_; }
    const RangeSet& delivered() const { return delivered_; }
    const std::map<wire::FailureKind, RangeSet>& failed() const { return failed_; }
    void check_invariants() const;

private:
    void ask(Step& step);
    /// Whether a message that begins at `start` may be taken; if not, what is before it has been
    /// asked for.
    bool follows(Step& step, std::uint64_t start);
    void advance(Step& step, std::uint64_t position, bool delivered_some);
    void acknowledge(Step& step, std::uint64_t position);

    JobId job_;
    CollectHow how_;
    std::optional<wire::GathererRef> at_;
    std::uint32_t assignment_ = 0;
    std::uint32_t source_ = 0;  // counts the gatherers
    std::uint64_t position_ = 0;
    std::uint64_t delivered_position_ = 0;  // of the last delivery from this source
    std::uint64_t acknowledged_ = 0;
    std::optional<std::uint64_t> questioned_;  // the start of the message that left a gap
    bool end_before_answer_ = false;           // the end came between the question and its answer
    bool gaps_confirmed_ = false;
    std::optional<std::uint64_t>
        end_questioned_;  // how much was delivered when the end came too early
    RangeSet delivered_;
    std::uint64_t values_ = 0;
    std::uint64_t failures_ = 0;
    std::map<wire::FailureKind, RangeSet> failed_;  // of those delivered
    std::uint64_t waiting_bytes_ = 0;               // delivered, and not consumed
    Time silent_since_{};
    Time ask_at_{};
    Duration patience_ = limits::resend_after;
    std::uint64_t mark_ = 0;        // the last one,
    std::uint64_t past_marks_ = 0;  // and that before the job was last asked for
};

}  // namespace fanfold::scatterer
