#include "gatherer/core/collector.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::gatherer {

Collector::Collector(const wire::Collect& collect, const Assembly& assembly, LivedTime heard) {
    start(collect, assembly, heard);
}

void Collector::start(const wire::Collect& collect, const Assembly& assembly, LivedTime heard) {
    job_ = collect.job;
    ordered_ = collect.ordered;
    now_ = collect.now;
    concluded_ = false;
    position_ = collect.position;
    acknowledged_ = collect.position;
    credit_ = std::min(collect.credit, limits::collector_credit_bytes);
    bytes_on_way_ = 0;
    until_ = now_ ? assembly.next_sequence() : std::numeric_limits<std::uint64_t>::max();
    takes_parts_ = collect.minor >= wire::minor_of_marks;
    heard_ = heard;
    on_its_way_.clear();
    watched_.reset();
    rate_ = 0;
}

bool Collector::wants_parts(std::uint64_t bytes) const {
    constexpr std::chrono::duration<double> moment = limits::quick_time;
    const bool is_quick =
        bytes <= limits::quick_bytes && static_cast<double>(bytes) <= rate_ * moment.count();
    return takes_parts_ && !is_quick;
}

std::optional<Collector::Found> Collector::find_completed(const Assembly& assembly,
                                                          std::uint64_t position) const {
    auto place = assembly.order().lower_bound(position);
    if (place == assembly.order().end() || place->first >= until_) return std::nullopt;
    return Found{.first = place->second, .entry = &assembly.entries().at(place->second)};
}

std::optional<Collector::Found> Collector::find_ordered(const Assembly& assembly, bool skip_gaps,
                                                        std::uint64_t position) const {
    const auto& entries = assembly.entries();
    auto at = entries.upper_bound(position);
    if (at != entries.begin()) {
        const auto& [first, entry] = *std::prev(at);
        if (position - first < entry.count && entry.sequence < until_)
            return Found{.first = first,
                         .entry = &entry,
                         .skip = static_cast<std::uint32_t>(position - first)};
    }
    while (skip_gaps && at != entries.end() && at->second.sequence >= until_) ++at;
    if (at == entries.end()) return std::nullopt;
    // Between the position and this entry lies what others have had and is let go, or what is
    // missing: only the latter is waited for.
    if (!skip_gaps && !assembly.received().covers({position, at->first})) return std::nullopt;
    return Found{.first = at->first, .entry = &at->second};
}

std::optional<Collector::Found> Collector::find(const Assembly& assembly, bool ended,
                                                std::uint64_t position) const {
    return ordered_ ? find_ordered(assembly, ended || now_, position)
                    : find_completed(assembly, position);
}

std::uint64_t Collector::position_after(const Found& found) const {
    return ordered_ ? found.first + found.entry->count : found.entry->sequence + 1;
}

Parcel Collector::pack(const Found& found, Slice body) const {
    const Entry& entry = *found.entry;
    std::uint64_t position = position_after(found);
    if (entry.failure)
        return {wire::Failures{.job = job_,
                               .position = position,
                               .failures = {*entry.failure},
                               .after = position_},
                std::move(body)};
    return {wire::Values{.job = job_,
                         .position = position,
                         .first = found.first + found.skip,
                         .count = entry.count - found.skip,
                         .meta = entry.meta,
                         .after = position_},
            std::move(body)};
}

std::optional<Parcel> Collector::next(const Assembly& assembly, bool ended) {
    auto found = find(assembly, ended, position_);
    if (!found || found->entry->spilled) return std::nullopt;
    const Entry& entry = *found->entry;
    std::size_t offset =
        found->skip == 0 ? 0 : wire::objects_length(entry.body.view(), found->skip).value();
    std::size_t bytes = entry.body.size() - offset;
    if (!on_its_way_.empty() && bytes_on_way_ + bytes > credit_) return std::nullopt;
    Parcel parcel = pack(*found, entry.body.sub(offset, bytes));
    position_ = position_after(*found);
    on_its_way_.push_back({.position = position_, .first = found->first, .bytes = bytes});
    bytes_on_way_ += bytes;
    return parcel;
}

std::vector<Collector::Needed> Collector::needed(const Assembly& assembly, bool ended) const {
    std::vector<Needed> result;
    std::uint64_t position = position_;
    std::uint64_t on_way = bytes_on_way_;
    std::uint64_t sum = 0;
    bool anything = !on_its_way_.empty();
    for (std::size_t i = 0; i < limits::fetched_entries; ++i) {
        auto found = find(assembly, ended, position);
        if (!found) break;
        std::uint64_t bytes = found->entry->body_bytes;
        if ((anything && on_way + bytes > credit_) ||
            (i > 0 && sum + bytes > limits::fetched_bytes))
            break;
        if (found->entry->spilled)
            result.push_back({.sequence = found->entry->sequence, .bytes = bytes});
        on_way += bytes;
        sum += bytes;
        anything = true;
        position = position_after(*found);
    }
    return result;
}

bool Collector::exhausted(const Assembly& assembly, bool ended) const {
    return (ended || now_) && !find(assembly, ended, position_);
}

std::vector<Index> Collector::acknowledge(std::uint64_t position, LivedTime heard) {
    heard_ = heard;
    acknowledged_ =
        std::max(acknowledged_, std::min(position, position_));  // nobody has what was never sent
    if (watched_ && watched_->position <= acknowledged_) {
        using Seconds = std::chrono::duration<double>;
        const Seconds took = std::max(heard - watched_->at, Duration(limits::shortest_watched));
        rate_ = static_cast<double>(watched_->bytes) / took.count();
        watched_.reset();
    }
    std::vector<Index> arrived;
    while (!on_its_way_.empty() && on_its_way_.front().position <= acknowledged_) {
        bytes_on_way_ -= on_its_way_.front().bytes;
        arrived.push_back(on_its_way_.front().first);
        on_its_way_.pop_front();
    }
    return arrived;
}

bool Collector::has_acknowledged(Index first, const Entry& entry) const {
    return ordered_ ? first + entry.count <= acknowledged_ : entry.sequence < acknowledged_;
}

bool Collector::is_past(Index first, const Entry& entry) const {
    return ordered_ ? first + entry.count <= position_ : entry.sequence < position_;
}

void Collector::check_invariants() const {
    FANFOLD_CHECK(acknowledged_ <= position_);
    std::uint64_t sum = 0;
    std::uint64_t heaviest = 0;
    std::uint64_t before = acknowledged_;
    for (const Sent& sent : on_its_way_) {
        FANFOLD_CHECK(sent.position > before);
        before = sent.position;
        sum += sent.bytes;
        heaviest = std::max(heaviest, sent.bytes);
    }
    FANFOLD_CHECK(on_its_way_.empty() || before == position_);
    FANFOLD_CHECK(sum == bytes_on_way_);
    FANFOLD_CHECK(sum <= std::max(credit_, heaviest));
}

}  // namespace fanfold::gatherer
