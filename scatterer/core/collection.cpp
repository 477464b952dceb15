#include "scatterer/core/collection.hpp"

#include <algorithm>
#include <utility>

#include "shared/wire/codec.hpp"

namespace fanfold::scatterer {

namespace {
using namespace std::chrono_literals;
constexpr Duration longest_patience = 10s;  // between two questions to a gatherer that is silent
}  // namespace

void Collection::aim(Time now, std::uint32_t assignment, const wire::GathererRef& gatherer,
                     std::vector<Action>& actions) {
    bool same = at_ && key_of(*at_) == key_of(gatherer);
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
    silent_since_ = now;
    ask(now, actions);
}

void Collection::ask(Time now, std::vector<Action>& actions) {
    ask_at_ = now + patience_;
    wire::Collect collect{.job = job_,
                          .ordered = how_.ordered,
                          .now = how_.now,
                          .position = position_,
                          .credit = limits::collector_credit_bytes};
    actions.push_back(SendGatherer{*at_, collect});
}

void Collection::heard(Time now) {
    silent_since_ = now;
    patience_ = limits::resend_after;
    ask_at_ = now + patience_;
}

bool Collection::follows(Time now, std::uint64_t start, std::vector<Action>& actions) {
    bool answered = questioned_ && start <= *questioned_;
    if (start <= position_ || gaps_confirmed_ || answered) {
        gaps_confirmed_ |= start > position_;
        questioned_.reset();
        heard(now);
        return true;
    }
    if (questioned_) return false;  // on its way since before the question
    questioned_ = start;
    end_before_answer_ = false;
    ask(now, actions);
    return false;
}

void Collection::on_values(Time now, const wire::Values& values, const Slice& body,
                           std::vector<Action>& actions) {
    std::uint64_t start = how_.ordered ? values.first : values.position - 1;
    if (values.count == 0 || values.position == 0 || values.first + values.count < values.first)
        return;
    if (!follows(now, start, actions) || values.position <= position_) return;
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
        actions.push_back(std::move(part));
    }
    advance(values.position, !fresh.empty(), actions);
}

void Collection::on_failures(Time now, const wire::Failures& failures, const Slice& body,
                             std::vector<Action>& actions) {
    std::uint64_t count = failures.failures.size();
    std::uint64_t outputs = 0;
    for (const auto& failure : failures.failures) {
        if (failure.output_bytes > body.size() - outputs) return;  // makes no sense
        outputs += failure.output_bytes;
    }
    if (count == 0 || failures.position < count) return;
    std::uint64_t start =
        how_.ordered ? failures.failures.front().index : failures.position - count;
    if (!follows(now, start, actions) || failures.position <= position_) return;
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
    for (auto& one : fresh) actions.push_back(std::move(one));
    advance(failures.position, any, actions);
}

void Collection::advance(std::uint64_t position, bool delivered_some,
                         std::vector<Action>& actions) {
    // What the user never sees is acknowledged here: at once, or with the last thing that the user
    // has still to consume.
    bool user_is_done = acknowledged_ == position_ || waiting_bytes_ == 0;
    position_ = position;
    if (delivered_some) delivered_position_ = position;
    else if (user_is_done) acknowledge(position, actions);
}

bool Collection::on_concluded(Time now, const wire::Concluded& concluded,
                              std::vector<Action>& actions) {
    if (concluded.outcome == wire::Outcome::running && !how_.now) return false;
    heard(now);
    if (questioned_ && !how_.ordered &&
        !std::exchange(end_before_answer_, true)) {  // on its way since before the question
        ask(now, actions);
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
    ask(now, actions);
    return false;
}

void Collection::on_turned_away(Time now) {
    patience_ = std::min(patience_ * 2, longest_patience);
    ask_at_ = now + patience_;
}

void Collection::consumed(Time now, const Consumed& consumed, std::vector<Action>& actions) {
    waiting_bytes_ -= std::min(waiting_bytes_, consumed.bytes);
    silent_since_ = std::max(silent_since_, now);
    if (consumed.upto.source != source_) return;
    bool everything = consumed.upto.position >= delivered_position_;
    acknowledge(everything ? position_ : consumed.upto.position, actions);
}

void Collection::acknowledge(std::uint64_t position, std::vector<Action>& actions) {
    if (position <= acknowledged_) return;
    acknowledged_ = position;
    actions.push_back(SendGatherer{*at_, wire::Acknowledge{.job = job_, .position = position}});
}

bool Collection::tick(Time now, std::vector<Action>& actions) {
    if (!at_ || now < ask_at_ || waits_for_user()) return false;
    patience_ = std::min(patience_ * 2, longest_patience);
    ask(now, actions);
    return true;
}

void Collection::check_invariants() const {
    FANFOLD_CHECK(acknowledged_ <= position_);
    FANFOLD_CHECK(delivered_position_ <= position_);
    FANFOLD_CHECK(values_ + failures_ == delivered_.size());
}

}  // namespace fanfold::scatterer
