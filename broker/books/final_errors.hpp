// The final errors of one job that its gatherer has not confirmed, and the batch of them that is on
// its way. Settled owns it. Plain value.
//
// Invariants:
// - the output of an error is in memory, or in the store alone; what is empty is in memory;
// - the batch holds errors that were the first of all when it was chosen, in their order.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "broker/base/limits.hpp"
#include "shared/base/ids.hpp"
#include "shared/base/range_set.hpp"
#include "shared/base/slice.hpp"
#include "shared/events/events.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::broker {

struct FinalError {
    wire::Failure failure;
    Slice output;  // of failure.output_bytes, or empty: in the store alone
    bool written = false;

    bool in_memory() const { return output.size() == failure.output_bytes; }
    /// Of all but the output, with its place in the books.
    std::uint64_t text_bytes() const {
        return failure.message.size() + failure.worker.size() + limits::numbers_bytes;
    }
};

class FinalErrors {
public:
    using All = std::map<Index, FinalError>;

    void add(FinalError error);
    void confirm(Range range);
    void clear();
    const All& all() const { return all_; }
    bool empty() const { return all_.empty(); }

    /// Those that the store is to have, since it was last asked.
    std::vector<const FinalError*> take_unwritten();

    // --- memory
    /// Of texts and outputs, wherever they are, and of those in memory.
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t held_bytes() const { return held_bytes_; }
    /// Lets go of outputs that the store has, from the end on, until so many bytes are free; never
    /// of the batch's.
    void spill(std::uint64_t bytes);
    /// An output from the store. False: it is not what it was.
    bool put_back(Index index, Slice output);

    // --- the batch
    struct Batch {
        std::vector<Index> indices;
        std::uint64_t bytes = 0;  // of the outputs
        Time sent{};              // or fetched; none: that is to be done
        Duration patience{};
        bool asked = false;  // a Mark went behind it
    };
    const Batch& batch() const { return batch_; }
    /// What would go next, if nothing is on its way: the first ones that fit a message; a long
    /// output goes alone, without a copy.
    Batch next_batch() const;
    void choose(Batch batch) { batch_ = std::move(batch); }
    void mark_sent(Time now, Duration patience, bool asked = false) {
        batch_.sent = now, batch_.patience = patience, batch_.asked = asked;
    }
    /// Of the batch, those whose outputs are in the store alone.
    std::vector<Index> missing() const;
    void check_invariants() const;

private:
    All::iterator erase(All::iterator error);

    All all_;
    std::vector<Index> unwritten_;
    std::set<Index> with_output_;  // in memory
    Batch batch_;
    std::uint64_t bytes_ = 0;
    std::uint64_t held_bytes_ = 0;
};

}  // namespace fanfold::broker
