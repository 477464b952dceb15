#include "broker/books/attempts.hpp"

#include <algorithm>

#include "broker/base/limits.hpp"

namespace fanfold::broker {

std::string why_crashed(const History& history, std::uint32_t crash_limit) {
    if (history.lone_crashes >= crash_limit)
        return "its worker died each of the " + std::to_string(history.lone_crashes) +
               " times that it ran alone";
    if (history.vanished >= limits::vanished_of_crashed * crash_limit)
        return std::to_string(history.vanished) +
               " workers that ran it alone were never seen again";
    return {};
}

wire::Failure failure_of(Index index, std::uint32_t attempts, wire::FailureKind kind,
                         const std::string& why) {
    wire::Failure failure;
    failure.index = index;
    failure.attempt = std::max(attempts, 1u);
    failure.kind = kind;
    failure.message = why;
    return failure;
}

std::uint32_t Attempts::dispatched(Range range) {
    const History* before = history_.at(range.begin);
    if (!before) return 1;
    History history = *before;
    ++history.attempts;
    history_.assign(range, history);
    return history.attempts;
}

std::uint32_t Attempts::dispatched_again(Index index, std::uint32_t first) {
    const History* before = history_.at(index);
    History history = before ? *before : History{};
    history.attempts = std::max(history.attempts, first) + 1;
    history_.assign({index, index + 1}, history);
    return history.attempts;
}

void Attempts::queued_again(Range range) {
    RangeSet known;
    for (const Span& span : history_.within(range)) known.add(span.range);
    for (Range gap : known.missing(range)) history_.assign(gap, {.attempts = 1});
}

std::uint32_t Attempts::failed(Index index) {
    History history = *history_.at(index);
    history.most = 0;
    history.exclusive = false;
    ++history.failures;
    history_.assign({index, index + 1}, history);
    return history.failures;
}

void Attempts::strike(Index index) { struck_.push_back({index, *history_.at(index)}); }

void Attempts::not_started(Range range, std::uint32_t attempts) {
    for (Span& known : history_.within(range)) {
        known.value.attempts = attempts;
        history_.assign(known.range, known.value);
    }
}

std::vector<Attempts::Span> Attempts::suspect(Range range, Death death, bool alone) {
    std::vector<Span> suspects = history_.within(range);
    for (Span& known : suspects) {
        History& history = known.value;
        history.most = std::max<std::uint32_t>(
            1, static_cast<std::uint32_t>(range.size() / limits::suspicion_shrinks));
        if (alone && death == Death::in_company) history.exclusive = true;
        if (alone && death == Death::unknown) ++history.away;
        if (alone && death == Death::known) ++history.lone_crashes;
        history_.assign(known.range, history);
    }
    return suspects;
}

std::optional<History> Attempts::judge(Index index, Verdict verdict) {
    const History* known = history_.at(index);
    if (!known || known->away == 0) return std::nullopt;
    History history = *known;
    --history.away;
    if (verdict == Verdict::it_died) ++history.lone_crashes;
    if (verdict == Verdict::it_vanished) ++history.vanished;
    history_.assign({index, index + 1}, history);
    return history;
}

std::uint32_t Attempts::adopted(Range range) const {
    std::uint32_t attempt = 1;
    for (const Span& known : history_.within(range)) attempt = known.value.attempts;
    return attempt;
}

std::vector<Range> Attempts::tried(const RangeSet& set) const {
    std::vector<Range> tried;
    for (const Span& span : history_.all())
        if (span.value.attempts > 0)
            for (Range part : set.within(span.range)) tried.push_back(part);
    return tried;
}

}  // namespace fanfold::broker
