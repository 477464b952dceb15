#include "scatterer/core/submission.hpp"

#include <algorithm>
#include <utility>

#include "scatterer/core/session.hpp"

namespace fanfold::scatterer {

Submission::Submission(OpenJob opening, std::uint64_t credit)
    : job_(opening.job), token_(opening.token), spec_(std::move(opening.spec)), limit_(credit) {
    if (!opening.continues) return;
    next_ = end_ = says_ = opening.continues->next;
    appended_bytes_ = accepted_bytes_ = opening.continues->bytes;
    limit_ = opening.continues->limit;
    known_ = begun_ = true;
}

bool Submission::append(PackedBlock block, std::optional<std::uint64_t> total) {
    FANFOLD_CHECK(!total_ && block.first == end_);
    const std::uint64_t room_before = room();
    end_ = block.end();
    appended_bytes_ += block.body.size();
    // A block of one fragment is as large as that.
    if (block.count == 1)
        window_ = std::max(window_, limits::submission_window_blocks * block.body.size());
    kept_.push_back({std::move(block), appended_bytes_});
    if (total) FANFOLD_CHECK(*total == end_);
    total_ = total;
    return room() > room_before;
}

void Submission::seal(const Step& step, const SealJob& event) {
    if (total_) return;
    FANFOLD_CHECK(event.total == end_);
    total_ = event.total;
    // The seal travels with the last block where that is still here; a job without fragments is
    // opened by a block without any.
    if (end_ == 0) {
        kept_.emplace_back();
        kept_.back().block.digest = event.digest;
    }
    if (sent_ == kept_.size()) seal_at_ = step.now;
}

bool Submission::on_accepted(const Step& step, const wire::Accepted& accepted) {
    known_ = true;
    says_ = accepted.next;
    std::uint64_t room_before = room();
    if (accepted.next > next_ && accepted.next <= end_) {
        next_ = accepted.next;
        patience_ = limits::resend_after;
        resend_at_ = step.now + patience_;
    }
    while (!kept_.empty() && kept_.front().block.end() <= next_) {
        accepted_bytes_ = kept_.front().end_bytes;
        kept_.pop_front();
        if (sent_ > 0) --sent_;
    }
    if (!kept_.empty() &&
        kept_.front().block.first < next_) {  // the broker ended a block elsewhere
        auto rest = rest_of(kept_.front().block, next_);
        FANFOLD_CHECK(rest);  // only whole objects were ever added
        kept_.front().block = std::move(*rest);
        sent_ = 0;
    }
    limit_ = std::max(limit_, accepted.limit);
    return room() > room_before;
}

bool Submission::on_marked(Step& step, const wire::Marked& marked) {
    // What is late of another life of the broker comes before this.
    if (doubted_ && marked.number >= *doubted_) {
        doubted_.reset();
        if (says_ < next_) return false;
    }
    if (!asked_ || marked.number < *asked_) return true;
    asked_.reset();
    if (sent_ == 0 || kept_.front().block.end() > asked_about_) return true;
    step.act(Note{.level = Level::warn,
                  .what = "blocks were lost or had no room, sent again",
                  .job = job_,
                  .range = {next_, asked_about_}});
    sent_ = 0;
    return true;
}

bool Submission::on_sealed() {
    known_ = confirmed_ = true;
    says_ = end_;
    if (!total_) return false;
    kept_.clear();  // a seal is accepted after all that it seals
    sent_ = 0;
    next_ = end_;
    return !std::exchange(seal_accepted_, true);
}

void Submission::start_over(const Step& step) {
    sent_ = 0;
    asked_.reset();
    doubted_.reset();
    confirmed_ = false;  // its broker may have been put back to an older state
    says_ = next_;
    patience_ = limits::resend_after;
    seal_at_ = step.now;
}

bool Submission::may_send(const Kept& kept) const {
    if (kept.end_bytes <= limit_) return true;
    return &kept == &kept_.front() && kept.end_bytes - kept.block.body.size() <= limit_;
}

void Submission::ask_or_resend(Step& step, const PeerId& owner) {
    const Index end = kept_[sent_ - 1].block.end();
    patience_ = std::min<Duration>(patience_ * 2, limits::longest_patience);
    resend_at_ = step.now + patience_;
    if (step.session.knows_marks()) {
        ++mark_;
        if (!asked_) asked_ = mark_, asked_about_ = end;
        return step.act(PushMark{{.job = job_, .owner = owner, .number = mark_}});
    }
    step.act(Note{.level = Level::warn,
                  .what = "blocks not accepted for a while, sent again",
                  .job = job_,
                  .range = {next_, end}});
    sent_ = 0;
}

void Submission::pump(Step& step, const PeerId& owner) {
    if (says_ < next_ && step.session.knows_marks() && (!doubted_ || step.now >= doubted_again_)) {
        doubted_ = ++mark_;
        doubted_again_ = step.now + limits::resend_after;
        step.act(PushMark{{.job = job_, .owner = owner, .number = mark_}});
    }
    if (sent_ > 0 && step.now >= resend_at_) ask_or_resend(step, owner);
    while (sent_ < kept_.size() && may_send(kept_[sent_])) {
        if (sent_ == 0) resend_at_ = step.now + patience_;
        send(step, kept_[sent_++], owner);
    }
    if (total_ && !confirmed_ && known_ && sent_ == kept_.size() && step.now >= seal_at_) {
        seal_at_ = step.now + limits::seal_again;
        step.send(wire::Seal{.job = job_, .token = token_, .total = *total_});
    }
}

void Submission::send(Step& step, const Kept& kept, const PeerId& owner) {
    const PackedBlock& block = kept.block;
    wire::Block message{.job = job_,
                        .token = token_,
                        .first = block.first,
                        .count = block.count,
                        .stride = limits::cut_stride,
                        .cuts = block.cuts,
                        .spec = {},
                        .total = {},
                        .digest = block.digest};
    if (block.first == 0) {
        spec_.owner = owner;
        message.spec = spec_;
    }
    if (total_ && block.end() == *total_) {
        message.total = total_;
        seal_at_ = step.now + limits::seal_again;
    }
    begun_ = true;
    step.act(PushBlock{std::move(message), block.body});
}

void Submission::check_invariants() const {
    FANFOLD_CHECK(sent_ <= kept_.size());
    Index at = next_;
    for (const Kept& kept : kept_) {
        FANFOLD_CHECK(kept.block.first == at);
        at = kept.block.end();
    }
    FANFOLD_CHECK(at == end_);
    if (sent_ > 1) FANFOLD_CHECK(kept_[sent_ - 1].end_bytes <= limit_);
    if (total_) FANFOLD_CHECK(*total_ == end_);
}

}  // namespace fanfold::scatterer
