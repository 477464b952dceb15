#include "gatherer/core/assembly.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::gatherer {

Slice keep(const Slice& body, std::size_t offset, std::size_t length) {
    Slice part = body.sub(offset, length);
    return length < limits::copied_below || length < body.size() / 2 ? Slice::copy(part.view())
                                                                     : part;
}

std::uint64_t Entry::bytes() const {
    return limits::entry_bytes + body_bytes +
           (failure ? failure->message.size() + failure->worker.size() : meta.worker.size());
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
    for (Range gap : receipts_.received().missing(range)) {
        std::uint64_t room = wanted - std::min(wanted, receipts_.values());
        if (room == 0) break;
        if (gap.size() > room) gap.end = gap.begin + room;
        walk_to(gap.begin);
        std::size_t begin = walk_to(gap.end);
        insert(gap.begin, {.sequence = next_sequence_++,
                           .count = static_cast<std::uint32_t>(gap.size()),
                           .body = keep(body, begin, offset - begin),
                           .meta = results.meta,
                           .failure = nullptr});
        receipts_.add_values(gap);
        added += gap.size();
    }
    return added;
}

bool Assembly::add(wire::Failure failure, const Slice& output) {
    Index index = failure.index;
    if (receipts_.received().covers({index, index + 1})) return false;
    receipts_.add_failure({index, index + 1}, failure.kind);
    insert(index, {.sequence = next_sequence_++,
                   .count = 1,
                   .body = keep(output, 0, output.size()),
                   .meta = {},
                   .failure = std::make_unique<wire::Failure>(std::move(failure))});
    return true;
}

std::uint64_t Assembly::seal(std::uint64_t total) {
    total_ = total;
    std::uint64_t dropped = receipts_.cut(total);
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

bool Assembly::put_back(std::uint64_t sequence, const EntryRow& row, const Slice& body) {
    Index first = order_.at(sequence);
    Entry& entry = entries_.at(first);
    std::size_t length = body.size();
    if (row.first != first || row.failure.has_value() != (entry.failure != nullptr)) return false;
    if (entry.failure) {
        if (length != entry.body_bytes) return false;
    } else {
        if (row.count < entry.count) return false;
        auto of_entry = wire::objects_length(body.view(), entry.count);
        if (!of_entry || (row.count == entry.count && *of_entry != length)) return false;
        length = *of_entry;
    }
    count_out(entry);
    entry.body = keep(body, 0, length);
    entry.spilled = false;
    count_in(entry);
    return true;
}

void Assembly::start_round(wire::JobSpec spec) {
    spec_ = std::move(spec);
    receipts_.start_round();
    for (auto at = entries_.begin(); at != entries_.end();)
        at = at->second.failure ? erase(at) : std::next(at);
}

void Assembly::free(Index first) {
    auto at = entries_.find(first);
    if (at == entries_.end()) return;
    let_go(LetGo::values, first, at->second);
    erase(at);
}

/// `what` is for values.
void Assembly::let_go(LetGo what, Index first, const Entry& entry) {
    receipts_.let_go({first, first + entry.count},
                     entry.failure ? Receipts::as(entry.failure->kind) : what);
}

void Assembly::abandon() {
    for (const auto& [first, entry] : entries_) let_go(LetGo::abandoned, first, entry);
    entries_.clear();
    order_.clear();
    bodies_.clear();
    held_bytes_ = spilled_bytes_ = bodies_bytes_ = 0;
}

bool Assembly::restore_let_go(LetGo what, std::vector<Range> ranges) {
    if (total_) {
        for (Range& range : ranges) range.end = std::min(range.end, *total_);
        std::erase_if(ranges, [](Range range) { return range.begin >= range.end; });
    }
    return receipts_.restore_let_go(what, ranges);
}

bool Assembly::restore(Index first, Entry entry) {
    if (entry.sequence >= limits::last_sequence || entry.count == 0 ||
        first > std::numeric_limits<Index>::max() - entry.count)
        return false;
    if (entry.failure ? entry.count != 1 || entry.failure->index != first
                      : !wire::is_objects(entry.body.view(), entry.count))
        return false;
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
    if (received().covers(range)) return true;
    if (!received().within(range).empty()) return false;
    if (entry.failure) receipts_.add_failure(range, entry.failure->kind);
    else receipts_.add_values(range);
    insert(first, std::move(entry));
    return true;
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
        FANFOLD_CHECK(entry.count > 0 && received().covers({first, end}));
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
    receipts_.check_invariants();
    FANFOLD_CHECK(held + receipts_.let_go_count() == received().size());
    if (total_)
        FANFOLD_CHECK(received().within({*total_, std::numeric_limits<Index>::max()}).empty());
}

}  // namespace fanfold::gatherer
