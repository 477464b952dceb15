#include "gatherer/core/assembly.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::gatherer {

namespace {

constexpr std::size_t copied_below =
    4096;  // bytes; libzmq lets small frames share one receive block
constexpr std::uint64_t entry_bytes = 320;  // of the maps' nodes, the meta and the slice's owner

constexpr const char* cancelled = "cancelled";

/// The reasons in the order in which they are listed, each with its fragments.
class ReasonList {
public:
    RangeSet& of(const std::string& reason) {
        for (auto& [name, ranges] : reasons_)
            if (name == reason) return ranges;
        return reasons_.emplace_back(reason, RangeSet{}).second;
    }

    void subtract_from(RangeSet& set) const {
        for (const auto& [name, ranges] : reasons_)
            for (Range range : ranges.ranges()) set.remove(range);
    }

    std::vector<wire::Missing> list(std::size_t most) const {
        std::vector<wire::Missing> all;
        for (const auto& [name, ranges] : reasons_) {
            if (ranges.empty() || most == 0) continue;
            auto listed = ranges.ranges();
            if (listed.size() > most) listed.resize(most);
            most -= listed.size();
            all.push_back({.reason = name, .ranges = std::move(listed)});
        }
        return all;
    }

private:
    std::vector<std::pair<std::string, RangeSet>> reasons_;
};

}  // namespace

Slice keep(const Slice& body, std::size_t offset, std::size_t length) {
    Slice part = body.sub(offset, length);
    return length < copied_below || length < body.size() / 2 ? Slice::copy(part.view()) : part;
}

std::uint64_t Entry::bytes() const {
    return entry_bytes + body_bytes +
           (failure ? failure->message.size() + failure->worker.size() : meta.worker.size());
}

/// 1 to `kinds`; a kind that only a later version knows counts as failed.
std::size_t Assembly::number_of(wire::FailureKind kind) {
    auto number = static_cast<std::size_t>(kind);
    return number >= 1 && number <= kinds ? number : 1;
}

std::uint64_t Assembly::failures() const {
    std::uint64_t sum = 0;
    for (const auto& set : failed_) sum += set.size();
    return sum;
}

void Assembly::store(Index first, Entry entry) {
    entry.sequence = next_sequence_++;
    insert(first, std::move(entry));
}

/// Into the sums, with the body that it has now, or has left in the store.
void Assembly::count_in(Entry& entry) {
    if (!entry.spilled) entry.body_bytes = entry.body.size();
    held_bytes_ += entry.bytes();
    if (entry.spilled) spilled_bytes_ += entry.body_bytes;
    else if (entry.body_bytes > 0 && bodies_.insert(entry.sequence).second)
        bodies_bytes_ += entry.body_bytes;
}

void Assembly::count_out(const Entry& entry) {
    held_bytes_ -= entry.bytes();
    if (entry.spilled) spilled_bytes_ -= entry.body_bytes;
    else if (bodies_.erase(entry.sequence) > 0) bodies_bytes_ -= entry.body_bytes;
}

void Assembly::insert(Index first, Entry entry) {
    count_in(entry);
    order_.emplace_hint(order_.end(), entry.sequence, first);
    bool inserted = entries_.emplace(first, std::move(entry)).second;
    FANFOLD_CHECK(inserted);
}

Assembly::Entries::iterator Assembly::erase(Entries::iterator at) {
    count_out(at->second);
    order_.erase(at->second.sequence);
    return entries_.erase(at);
}

std::uint64_t Assembly::add(const wire::Results& results, const Slice& body) {
    Range range{results.first, results.first + results.count};
    std::uint64_t wanted = values_wanted(spec_);
    std::uint64_t added = 0;
    Index at = range.begin;  // the fragment at `offset` of the body
    std::size_t offset = 0;
    auto walk_to = [&](Index index) {
        std::size_t length =
            index == range.end
                ? body.size() - offset
                : wire::objects_length(body.view().substr(offset), index - at).value();
        at = index;
        return std::exchange(offset, offset + length);
    };
    for (Range gap : received_.missing(range)) {
        std::uint64_t room = wanted - std::min(wanted, values());
        if (room == 0) break;
        if (gap.size() > room) gap.end = gap.begin + room;
        walk_to(gap.begin);
        std::size_t begin = walk_to(gap.end);
        store(gap.begin, {.sequence = 0,
                          .count = static_cast<std::uint32_t>(gap.size()),
                          .body = keep(body, begin, offset - begin),
                          .meta = results.meta,
                          .failure = nullptr});
        added += received_.add(gap);
    }
    return added;
}

bool Assembly::add(wire::Failure failure, const Slice& output) {
    Index index = failure.index;
    if (received_.add({index, index + 1}) == 0) return false;
    failed(failure.kind).add({index, index + 1});
    store(index, {.sequence = 0,
                  .count = 1,
                  .body = keep(output, 0, output.size()),
                  .meta = {},
                  .failure = std::make_unique<wire::Failure>(std::move(failure))});
    return true;
}

std::uint64_t Assembly::seal(std::uint64_t total) {
    total_ = total;
    Range past{total, std::numeric_limits<Index>::max()};
    for (auto& set : failed_) set.remove(past);
    for (auto& set : let_go_) set.remove(past);
    std::uint64_t dropped = received_.remove(past);
    if (dropped == 0) return 0;
    auto at = entries_.lower_bound(total);
    while (at != entries_.end()) at = erase(at);
    if (entries_.empty()) return dropped;
    auto& [first, last] = *std::prev(entries_.end());
    if (first + last.count <= total) return dropped;
    count_out(last);  // a run that straddles the total is cut; a spilled one when it is put back
    last.count = static_cast<std::uint32_t>(total - first);
    if (!last.spilled)
        last.body = keep(last.body, 0, wire::objects_length(last.body.view(), last.count).value());
    count_in(last);
    return dropped;
}

void Assembly::spill(std::uint64_t sequence) {
    Entry& entry = entries_.at(order_.at(sequence));
    count_out(entry);
    entry.body = {};
    entry.spilled = true;
    count_in(entry);
}

bool Assembly::put_back(std::uint64_t sequence, const wire::Message& row, const Slice& body) {
    Index first = order_.at(sequence);
    Entry& entry = entries_.at(first);
    std::size_t length = body.size();
    if (entry.failure) {
        if (!std::holds_alternative<wire::Failures>(row) || length != entry.body_bytes)
            return false;
    } else {
        auto* values = std::get_if<wire::Values>(&row);
        if (!values || values->first != first || values->count < entry.count) return false;
        auto of_entry = wire::objects_length(body.view(), entry.count);
        if (!of_entry || (values->count == entry.count && *of_entry != length)) return false;
        length = *of_entry;
    }
    count_out(entry);
    entry.body = keep(body, 0, length);
    entry.spilled = false;
    count_in(entry);
    return true;
}

std::vector<std::uint64_t> Assembly::start_round(wire::JobSpec spec) {
    spec_ = std::move(spec);
    for (auto& set : failed_) {
        for (Range range : set.ranges()) received_.remove(range);
        set.clear();
    }
    for (Range range : let_go(LetGo::abandoned).ranges()) received_.remove(range);
    for (std::size_t what = 0; what < let_go_.size(); ++what)
        if (what != static_cast<std::size_t>(LetGo::values)) let_go_[what].clear();
    std::vector<std::uint64_t> gone;
    for (auto at = entries_.begin(); at != entries_.end();) {
        if (at->second.failure) gone.push_back(at->second.sequence);
        at = at->second.failure ? erase(at) : std::next(at);
    }
    return gone;
}

void Assembly::free(Index first) {
    auto at = entries_.find(first);
    if (at == entries_.end()) return;
    add_let_go(LetGo::values, first, at->second);
    erase(at);
}

/// `what` is for values; a failure is let go of as what it is.
void Assembly::add_let_go(LetGo what, Index first, const Entry& entry) {
    std::size_t number =
        entry.failure ? number_of(entry.failure->kind) : static_cast<std::size_t>(what);
    let_go_[number].add({first, first + entry.count});
}

void Assembly::abandon() {
    for (const auto& [first, entry] : entries_) add_let_go(LetGo::abandoned, first, entry);
    entries_.clear();
    order_.clear();
    bodies_.clear();
    held_bytes_ = spilled_bytes_ = bodies_bytes_ = 0;
}

bool Assembly::restore_let_go(LetGo what, const std::vector<Range>& ranges) {
    auto number = static_cast<std::size_t>(what);
    for (Range range : ranges) {
        if (total_) range.end = std::min(range.end, *total_);
        for (Range fresh : let_go_[number].missing(range)) {
            if (received_.add(fresh) != fresh.size()) return false;  // it ended in another way
            let_go_[number].add(fresh);
            if (number >= 1 && number <= kinds) failed_[number - 1].add(fresh);
        }
    }
    return true;
}

bool Assembly::restore(Index first, Entry entry) {
    if (entry.sequence >= last_sequence || entry.count == 0 ||
        first > std::numeric_limits<Index>::max() - entry.count)
        return false;
    if (!entry.failure && !wire::is_objects(entry.body.view(), entry.count)) return false;
    restore_next_sequence(entry.sequence + 1);
    if (total_ && first >= *total_) return true;
    if (total_ && entry.count > *total_ - first) {
        entry.count = static_cast<std::uint32_t>(*total_ - first);
        auto length = wire::objects_length(entry.body.view(), entry.count);
        if (!length) return false;
        entry.body = keep(entry.body, 0, *length);
    }
    Range range{first, first + entry.count};
    if (order_.contains(entry.sequence)) return false;
    if (received_.covers(range)) return true;
    if (received_.add(range) != range.size()) return false;
    if (entry.failure) failed(entry.failure->kind).add(range);
    insert(first, std::move(entry));
    return true;
}

std::vector<wire::Missing> Assembly::list_missing(
    bool ended, const std::vector<wire::Missing>& from_broker) const {
    ReasonList reasons;
    for (std::size_t i = 0; i < kinds; ++i)
        for (Range range : failed_[i].ranges())
            reasons.of(wire::to_string(static_cast<wire::FailureKind>(i + 1))).add(range);
    if (!ended) return reasons.list(limits::missing_ranges);
    // The broker may not have heard of what came in last.
    for (const auto& missing : from_broker)
        for (Range range : missing.ranges)
            for (Range part : received_.missing(range)) reasons.of(missing.reason).add(part);
    for (Range range : let_go(LetGo::abandoned).ranges()) reasons.of(cancelled).add(range);
    if (total_) {
        RangeSet unexplained(received_.missing({0, *total_}));
        reasons.subtract_from(unexplained);
        for (Range range : unexplained.ranges()) reasons.of(cancelled).add(range);
    }
    return reasons.list(limits::missing_ranges);
}

void Assembly::check_invariants() const {
    FANFOLD_CHECK(order_.size() == entries_.size());
    std::uint64_t bytes = 0;
    std::uint64_t held = 0;  // fragments
    std::uint64_t spilled = 0;
    std::uint64_t in_memory = 0;
    std::size_t bodies = 0;
    Index end = 0;
    for (const auto& [first, entry] : entries_) {
        FANFOLD_CHECK(first >= end);
        end = first + entry.count;
        FANFOLD_CHECK(entry.count > 0 && received_.covers({first, end}));
        FANFOLD_CHECK(entry.sequence < next_sequence_);
        auto place = order_.find(entry.sequence);
        FANFOLD_CHECK(place != order_.end() && place->second == first);
        bytes += entry.bytes();
        held += entry.count;
        FANFOLD_CHECK(entry.body.size() == (entry.spilled ? 0 : entry.body_bytes));
        bool body = !entry.spilled && entry.body_bytes > 0;
        FANFOLD_CHECK(bodies_.contains(entry.sequence) == body);
        bodies += body ? 1 : 0;
        (entry.spilled ? spilled : in_memory) += entry.body_bytes;
    }
    FANFOLD_CHECK(bytes == held_bytes_ && spilled == spilled_bytes_ && in_memory == bodies_bytes_ &&
                  bodies == bodies_.size());
    RangeSet failed;
    for (const auto& set : failed_)
        for (Range range : set.ranges()) failed.add(range);
    FANFOLD_CHECK(failed.size() == failures());
    for (Range range : failed.ranges()) FANFOLD_CHECK(received_.covers(range));
    std::uint64_t let_go_size = 0;
    for (const auto& set : let_go_) {
        let_go_size += set.size();
        for (Range range : set.ranges()) FANFOLD_CHECK(received_.covers(range));
    }
    FANFOLD_CHECK(held + let_go_size == received_.size());
    for (LetGo values : {LetGo::values, LetGo::abandoned})
        for (Range range : let_go(values).ranges()) FANFOLD_CHECK(failed.within(range).empty());
    if (total_)
        FANFOLD_CHECK(received_.within({*total_, std::numeric_limits<Index>::max()}).empty());
}

}  // namespace fanfold::gatherer
