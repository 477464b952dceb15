// One client's view of one job: how far it has been told, how far it has acknowledged, and what
// comes next for it within its credit. Owned by the gatherer's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - what is on its way to the client, sent and not acknowledged, is within its credit, or is a
// single entry and what weighs nothing;
// - acknowledged position ≤ sent position.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "gatherer/core/assembly.hpp"

namespace fanfold::gatherer {

/// A message for the client.
struct Parcel {
    wire::Message message;
    Slice body;
};

class Collector {
public:
    Collector(const wire::Collect& collect, const Assembly& assembly, LivedTime heard);

    /// The client asked again: from its position on, with nothing on its way.
    void start(const wire::Collect& collect, const Assembly& assembly, LivedTime heard);

    /// The next entry for the client; nothing when there is none now, no credit, or its body is in
    /// the store alone.
    std::optional<Parcel> next(const Assembly& assembly, bool ended);
    /// Entries in the store alone that come next for the client, a few, within its credit.
    struct Needed {
        std::uint64_t sequence = 0;
        std::uint64_t bytes = 0;
    };
    std::vector<Needed> needed(const Assembly& assembly, bool ended) const;
    /// Whether all that there will ever be for it has been sent.
    bool exhausted(const Assembly& assembly, bool ended) const;

    /// Gives credit back. Returns the first fragments of the entries that were on their way and
    /// have now arrived.
    std::vector<Index> acknowledge(std::uint64_t position, LivedTime heard);
    bool has_acknowledged(Index first, const Entry& entry) const;
    /// It was sent, or the client had it before.
    bool is_past(Index first, const Entry& entry) const;
    /// The client has something of the job.
    bool begun() const { return position_ > 0; }

    /// Stays until the job has ended, in contrast to one that takes what is there.
    bool follows() const { return !now_; }
    bool ordered() const { return ordered_; }
    std::uint64_t acknowledged() const { return acknowledged_; }
    /// It was sent all before this.
    std::uint64_t position() const { return position_; }
    /// Whether a body of so many bytes goes to it in parts, if it is long: it understands that, and
    /// was not seen to take as many within a moment.
    bool wants_parts(std::uint64_t bytes) const;
    /// A body went to it: of the larger ones, one at a time is watched until it is acknowledged.
    void watch(std::uint64_t bytes, LivedTime now) {
        if (!watched_ && bytes >= limits::part_bytes)
            watched_ = Watched{.position = position_, .bytes = bytes, .at = now};
    }
    bool waits_for_acknowledgement() const { return !on_its_way_.empty(); }
    /// Its last message.
    LivedTime heard() const { return heard_; }
    void mark_concluded() { concluded_ = true; }
    bool concluded() const { return concluded_; }
    /// Whose connection it is. Who takes its routing id over is another collector.
    void set_sender(Sender sender) { sender_ = std::move(sender); }
    const Sender& sender() const { return sender_; }
    /// Its turn to have bodies fetched is still to come.
    void mark_queued(bool queued) { queued_ = queued; }
    bool queued() const { return queued_; }

    void check_invariants() const;

private:
    struct Sent {
        std::uint64_t position = 0;  // the client's once it has this
        Index first = 0;             // of the entry
        std::uint64_t bytes = 0;
    };
    struct Found {
        Index first = 0;
        const Entry* entry = nullptr;
        std::uint32_t skip = 0;  // fragments of the entry that the client has already
    };

    std::optional<Found> find(const Assembly& assembly, bool ended, std::uint64_t position) const;
    std::optional<Found> find_completed(const Assembly& assembly, std::uint64_t position) const;
    std::optional<Found> find_ordered(const Assembly& assembly, bool skip_gaps,
                                      std::uint64_t position) const;
    std::uint64_t position_after(const Found& found) const;
    Parcel pack(const Found& found, Slice body) const;

    JobId job_;
    Sender sender_;
    bool ordered_ = false;
    bool now_ = false;
    bool concluded_ = false;
    bool queued_ = false;
    bool takes_parts_ = false;
    struct Watched {
        std::uint64_t position = 0;
        std::uint64_t bytes = 0;
        LivedTime at{};
    };
    std::optional<Watched> watched_;
    double rate_ = 0;             // bytes a second, of the last one
    std::uint64_t position_ = 0;  // sent up to here
    std::uint64_t acknowledged_ = 0;
    std::uint64_t credit_ = 0;
    std::uint64_t bytes_on_way_ = 0;
    std::uint64_t until_ = 0;  // only entries stored before this sequence are for it
    LivedTime heard_;
    std::deque<Sent> on_its_way_;
};

}  // namespace fanfold::gatherer
