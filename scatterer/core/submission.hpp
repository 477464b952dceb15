// The scattering half of one job: its blocks on their way to the broker, kept until the broker has
// accepted them. Part of the scatterer's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - the kept blocks are consecutive, and begin at `next`, the first fragment that is not accepted;
// - blocks are sent in order, and within the credit, except that one may always be on its way;
// - once the job is sealed, its total is the end of its last block.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "scatterer/core/step.hpp"
#include "scatterer/limits.hpp"

namespace fanfold::scatterer {

class Submission {
public:
    Submission(OpenJob opening, std::uint64_t credit);

    const JobId& job() const { return job_; }
    bool attached() const { return spec_.attached; }
    const std::string& key() const { return spec_.key; }
    std::uint64_t token() const { return token_; }
    bool sealed() const { return total_.has_value(); }
    /// The broker has spoken of the job, so control messages about it will be understood.
    bool known() const { return known_; }
    /// A block has been sent at least once.
    bool begun() const { return begun_; }
    /// Every block is accepted, and the seal.
    bool done() const { return seal_accepted_ && kept_.empty(); }
    /// Every block is accepted, and no more can be said of it: it has a key, and waits for the same
    /// submission once more.
    bool left_open() const { return !total_ && kept_.empty() && !spec_.key.empty(); }

    /// Returns whether there is more room now: large fragments may be ahead by as many as small
    /// ones.
    bool append(PackedBlock block, std::optional<std::uint64_t> total);
    void seal(const Step& step, const SealJob& event);

    void on_known() { known_ = true; }
    /// Returns whether the room has grown.
    bool on_accepted(const Step& step, const wire::Accepted& accepted);
    /// Blocks that were sent before the mark have come by now, or are lost. False: the broker has
    /// lost some that it had accepted.
    bool on_marked(Step& step, const wire::Marked& marked);
    /// Returns whether it is news.
    bool on_sealed();
    /// A new session: whatever is not accepted may have been lost.
    void start_over(const Step& step);

    /// Sends what may be sent. Asks, by a Mark, what has come where that stands still, or sends it
    /// again to a broker that knows no marks.
    void pump(Step& step, const PeerId& owner);

    /// Body bytes of the job, counted from its start, that its user may hand in: by the credit, and
    /// by what is accepted.
    std::uint64_t room() const { return std::min(limit_, accepted_bytes_ + window_); }
    void check_invariants() const;

private:
    struct Kept {
        PackedBlock block;
        std::uint64_t end_bytes = 0;  // body bytes of the job up to its end
    };
    bool may_send(const Kept& kept) const;
    void ask_or_resend(Step& step, const PeerId& owner);
    void send(Step& step, const Kept& kept, const PeerId& owner);

    JobId job_;
    std::uint64_t token_;
    wire::JobSpec spec_;
    std::deque<Kept> kept_;
    std::size_t sent_ = 0;  // of kept_, from the front
    Index next_ = 0;
    Index end_ = 0;  // of what was appended
    std::uint64_t appended_bytes_ = 0;
    std::uint64_t accepted_bytes_ = 0;
    std::uint64_t window_ = limits::submission_window;
    std::uint64_t limit_;
    std::optional<std::uint64_t> total_;
    bool known_ = false;
    bool begun_ = false;
    bool seal_accepted_ = false;
    Time seal_at_{};
    Time resend_at_{};
    Duration patience_ = limits::resend_after;
    std::uint64_t mark_ = 0;              // the last one
    std::optional<std::uint64_t> asked_;  // the first that is not answered,
    Index asked_about_ = 0;               // and how far blocks were sent then
    /// It has said that it has less than it had before: asked whether that is so, by this Mark.
    std::optional<std::uint64_t> doubted_;
    Time doubted_again_{};
    Index says_ = 0;
    bool confirmed_ = false;  // in this session: the seal
};

}  // namespace fanfold::scatterer
