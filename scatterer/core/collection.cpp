#include "scatterer/core/collection.hpp"

#include <algorithm>
#include <utility>

#include "shared/wire/codec.hpp"

namespace fanfold::scatterer {

void Collection::aim(Step& step, std::uint32_t assignment, const wire::GathererRef& gatherer) {
    bool same = at_ && key_of(*at_) == key_of(gatherer) && at_->collect == gatherer.collect &&
                at_->public_key == gatherer.public_key;
    if (same && (assignment_ == 0 || assignment <= assignment_)) {
        assignment_ = std::max(assignment_, assignment);
        return;
    }
    if (at_ && assignment < assignment_) return;
    // One that was started again and reads its store goes on with the same positions.
    bool knows_position =
        at_ && at_->name == gatherer.name && !lost_memory(at_->epoch, gatherer.epoch);
    at_ = gatherer;
    assignment_ = assignment;
    ++source_;
    if (!how_.ordered && !knows_position) position_ = 0;
    delivered_position_ = acknowledged_ = position_;
    questioned_.reset();
    gaps_confirmed_ = how_.ordered && how_.now;
    end_questioned_.reset();
    patience_ = limits::resend_after;
    silent_since_ = step.now;
    ask(step);
}

void Collection::ask(Step& step) {
    ask_at_ = step.now + patience_;
    past_marks_ = mark_;
    wire::Collect collect{.job = job_,
                          .ordered = how_.ordered,
                          .now = how_.now,
                          .position = position_,
                          .credit = limits::collector_credit_bytes,
                          .minor = wire::version_minor};
    step.act(SendGatherer{*at_, collect});
}

void Collection::heard(const Step& step) {
    silent_since_ = step.now;
    patience_ = limits::resend_after;
    ask_at_ = step.now + patience_;
}

bool Collection::follows(Step& step, std::uint64_t start) {
    bool answered = questioned_ && start <= *questioned_;
    if (start <= position_ || gaps_confirmed_ || answered) {
        gaps_confirmed_ |= start > position_;
        questioned_.reset();
        heard(step);
        return true;
    }
    if (questioned_) return false;  // on its way since before the question
    questioned_ = start;
    end_before_answer_ = false;
    ask(step);
    return false;
}

void Collection::on_values(Step& step, const wire::Values& values, const Slice& body) {
    const std::uint64_t start =
        values.after.value_or(how_.ordered ? values.first : values.position - 1);
    if (values.count == 0 || values.position == 0 || values.first + values.count < values.first)
        return;
    if (!follows(step, start) || values.position <= position_) return;
    auto fresh = delivered_.missing({values.first, values.first + values.count});
    auto offset_of = [&](Index index) {
        return wire::objects_length(body.view(), index - values.first);
    };
    for (std::size_t i = 0; i < fresh.size(); ++i) {
        Range range = fresh[i];
        Deliver part{
            .job = job_,
            .receipt = {source_, i + 1 == fresh.size() ? values.position : delivered_position_},
            .first = range.begin,
            .count = static_cast<std::uint32_t>(range.size()),
            .meta = values.meta,
            .body = body};
        if (range.size() != values.count) {
            auto begin = offset_of(range.begin), end = offset_of(range.end);
            // A body that can't be cut goes on as it is, and its reader finds it malformed.
            if (begin && end) part.body = body.sub(*begin, *end - *begin);
        }
        waiting_bytes_ += part.body.size();
        values_ += range.size();
        delivered_.add(range);
        step.act(std::move(part));
    }
    advance(step, values.position, !fresh.empty());
}

void Collection::on_failures(Step& step, const wire::Failures& failures, const Slice& body) {
    std::uint64_t count = failures.failures.size();
    std::uint64_t outputs = 0;
    for (const auto& failure : failures.failures) {
        if (failure.output_bytes > body.size() - outputs) return;  // makes no sense
        outputs += failure.output_bytes;
    }
    if (count == 0 || failures.position < count) return;
    const std::uint64_t start = failures.after.value_or(
        how_.ordered ? failures.failures.front().index : failures.position - count);
    if (!follows(step, start) || failures.position <= position_) return;
    std::vector<DeliverFailure> fresh;
    std::uint64_t offset = 0;
    for (const auto& failure : failures.failures) {
        Slice output = body.sub(offset, failure.output_bytes);
        offset += failure.output_bytes;
        if (delivered_.add({failure.index, failure.index + 1}) == 0) continue;
        ++failures_;
        failed_[failure.kind].add({failure.index, failure.index + 1});
        waiting_bytes_ += output.size();
        fresh.push_back({.job = job_,
                         .receipt = {source_, delivered_position_},
                         .failure = failure,
                         .output = std::move(output)});
    }
    if (!fresh.empty()) fresh.back().receipt.position = failures.position;
    bool any = !fresh.empty();
    for (auto& one : fresh) step.act(std::move(one));
    advance(step, failures.position, any);
}

void Collection::advance(Step& step, std::uint64_t position, bool delivered_some) {
    // What the user never sees is acknowledged here: at once, or with the last thing that the user
    // has still to consume.
    bool user_is_done = acknowledged_ == position_ || waiting_bytes_ == 0;
    position_ = position;
    if (delivered_some) delivered_position_ = position;
    else if (user_is_done) acknowledge(step, position);
}

bool Collection::on_concluded(Step& step, const wire::Concluded& concluded) {
    if (concluded.outcome == wire::Outcome::running && !how_.now) return false;
    heard(step);
    if (questioned_ && !how_.ordered &&
        !std::exchange(end_before_answer_, true)) {  // on its way since before the question
        ask(step);
        return false;
    }
    gaps_confirmed_ |= how_.ordered && questioned_.has_value();  // nothing will fill them any more
    questioned_.reset();
    if (how_.now || delivered_.size() >= concluded.values + concluded.failures ||
        end_questioned_ == delivered_.size())
        return true;
    end_questioned_ = delivered_.size();
    if (gaps_confirmed_) {  // what is lacking may lie before our position
        position_ = how_.ordered ? delivered_.first_missing() : 0;
        delivered_position_ = acknowledged_ = position_;
        ++source_;
    }
    ask(step);
    return false;
}

void Collection::on_marked(Step& step, const wire::Marked& marked) {
    if (marked.number > past_marks_ && marked.position != position_) ask(step);
}

void Collection::on_turned_away(const Step& step) {
    patience_ = std::min<Duration>(patience_ * 2, limits::longest_patience);
    ask_at_ = step.now + patience_;
}

void Collection::consumed(Step& step, const Consumed& consumed) {
    waiting_bytes_ -= std::min(waiting_bytes_, consumed.bytes);
    silent_since_ = std::max(silent_since_, step.now);
    if (consumed.upto.source != source_) return;
    bool everything = consumed.upto.position >= delivered_position_;
    acknowledge(step, everything ? position_ : consumed.upto.position);
}

void Collection::acknowledge(Step& step, std::uint64_t position) {
    if (position <= acknowledged_) return;
    acknowledged_ = position;
    step.act(SendGatherer{*at_, wire::Acknowledge{.job = job_, .position = position}});
}

void Collection::tick(Step& step) {
    if (!at_ || step.now < ask_at_ || waits_for_user()) return;
    patience_ = std::min<Duration>(patience_ * 2, limits::longest_patience);
    if (at_->minor < wire::minor_of_marks) return ask(step);
    ask_at_ = step.now + patience_;
    step.act(
        SendGatherer{*at_, wire::Mark{.job = job_, .number = ++mark_, .position = acknowledged_}});
}

void Collection::check_invariants() const {
    FANFOLD_CHECK(acknowledged_ <= position_);
    FANFOLD_CHECK(delivered_position_ <= position_);
    FANFOLD_CHECK(values_ + failures_ == delivered_.size());
}

}  // namespace fanfold::scatterer
