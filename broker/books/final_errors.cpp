#include "broker/books/final_errors.hpp"

#include <algorithm>
#include <iterator>

#include "shared/base/result.hpp"

namespace fanfold::broker {

void FinalErrors::add(FinalError error) {
    const Index index = error.failure.index;
    if (!error.written) unwritten_.push_back(index);
    bytes_ += error.text_bytes() + error.failure.output_bytes;
    held_bytes_ += error.text_bytes() + error.output.size();
    if (!error.output.empty()) with_output_.insert(index);
    all_.emplace(index, std::move(error));
}

FinalErrors::All::iterator FinalErrors::erase(All::iterator error) {
    const FinalError& gone = error->second;
    bytes_ -= gone.text_bytes() + gone.failure.output_bytes;
    held_bytes_ -= gone.text_bytes() + gone.output.size();
    with_output_.erase(error->first);
    return all_.erase(error);
}

void FinalErrors::confirm(Range range) {
    for (auto it = all_.lower_bound(range.begin); it != all_.end() && it->first < range.end;)
        it = erase(it);
    std::erase_if(batch_.indices, [this](Index index) { return !all_.contains(index); });
    if (batch_.indices.empty()) batch_ = {};
}

void FinalErrors::clear() { *this = {}; }

std::vector<const FinalError*> FinalErrors::take_unwritten() {
    std::vector<const FinalError*> errors;
    for (Index index : std::exchange(unwritten_, {}))
        if (auto it = all_.find(index); it != all_.end()) {
            it->second.written = true;
            errors.push_back(&it->second);
        }
    return errors;
}

// --- memory

void FinalErrors::spill(std::uint64_t bytes) {
    const std::uint64_t aim = held_bytes_ - std::min(held_bytes_, bytes);
    for (auto it = with_output_.end(); held_bytes_ > aim && it != with_output_.begin();) {
        --it;
        FinalError& error = all_.at(*it);
        if (!error.written || std::ranges::binary_search(batch_.indices, *it)) continue;
        held_bytes_ -= error.output.size();
        error.output = {};
        it = with_output_.erase(it);
    }
}

bool FinalErrors::put_back(Index index, Slice output) {
    auto it = all_.find(index);
    FANFOLD_CHECK(it != all_.end());
    FinalError& error = it->second;
    if (output.size() != error.failure.output_bytes) return false;
    held_bytes_ += output.size() - error.output.size();
    error.output = std::move(output);
    if (!error.output.empty()) with_output_.insert(index);
    return true;
}

// --- the batch

FinalErrors::Batch FinalErrors::next_batch() const {
    Batch batch;
    std::uint64_t header = 0;
    for (const auto& [index, error] : all_) {
        const std::uint64_t output = error.failure.output_bytes;
        header += error.text_bytes();
        bool fits = header <= limits::report_bytes && batch.bytes + output <= limits::block_bytes;
        if (!fits && !batch.indices.empty()) break;
        batch.bytes += output;
        batch.indices.push_back(index);
    }
    return batch;
}

std::vector<Index> FinalErrors::missing() const {
    std::vector<Index> missing;
    std::ranges::copy_if(batch_.indices, std::back_inserter(missing),
                         [this](Index index) { return !all_.at(index).in_memory(); });
    return missing;
}

void FinalErrors::check_invariants() const {
    std::uint64_t bytes = 0, held = 0;
    for (const auto& [index, error] : all_) {
        FANFOLD_CHECK(error.in_memory() || (error.written && error.output.empty()));
        bytes += error.text_bytes() + error.failure.output_bytes;
        held += error.text_bytes() + error.output.size();
        FANFOLD_CHECK(with_output_.contains(index) == !error.output.empty());
    }
    FANFOLD_CHECK(bytes == bytes_ && held == held_bytes_);
    for (Index index : batch_.indices) FANFOLD_CHECK(all_.contains(index));
}

}  // namespace fanfold::broker
