// What the user of one job scatters, on its way to the client: the block under way, and the room
// that the broker's credit leaves. It is the user's thread's; the client's thread takes what is
// left lying in the block.
//
// A job with a key may have been found, with fragments that the broker has already. They are added
// again: hashed and dropped, until as many are there; from then on, if their digest is that of the
// job, it goes on as any other.
//
// A fragment that is added costs no lock: the block under way is the adding thread's own, and
// `mutex_` is needed for exchanging or taking it.
//
// Invariants:
// - blocks are posted in order, under the mutex;
// - while something lies in the block, look() is to be called, or the adding thread will ask for
//   that after its next fragment. A fragment that was just added while look() found nothing to do
//   is found by one more look, some milliseconds later: so there always is one more;
// - past the job's credit at most a few blocks wait in the client: the user's thread waits instead.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "scatterer/client/inbox.hpp"
#include "scatterer/core/block_builder.hpp"
#include "scatterer/core/events.hpp"
#include "shared/wire/digest.hpp"

namespace fanfold::scatterer {

/// What a user is told of a job with a key that has not ended well.
std::string ended_with_key_text(const JobId& job, wire::Outcome outcome);

class Outbox {
public:
    struct Ways {
        std::function<void(std::vector<Event>)> post;  // to the client, any thread
        std::function<void()> look_soon;               // have look() called in a few milliseconds
        /// Called again and again on the user's thread while it waits for room.
        std::function<void()> while_waiting;
        std::shared_ptr<Inbox> inbox;  // of the job: room, seal and stop
    };
    /// Of a job that nobody has heard of. `credit`: body bytes that the broker takes at first.
    Outbox(OpenJob opening, BlockBuilder::Limits most, std::uint64_t credit, Ways ways);
    /// Of one that was found by its key; with an opening if there is something left to submit.
    Outbox(const wire::Found& found, std::optional<OpenJob> opening, BlockBuilder::Limits most,
           Ways ways);

    // The user's thread. All throw JobOver once the job has ended, FanfoldError when it was
    // refused, BadFragment for one that can't be taken, JobDiffers when the inputs differ from
    // those of the job that was found.
    void add_packed(std::string_view object);
    void add_text(std::string_view text);
    void flush();
    /// Nothing to do when the job has ended.
    void seal();
    /// Waits until the broker has accepted the seal.
    void wait_sealed();
    /// Makes sure that the client knows the job.
    void open();
    bool opened() const;
    bool sealed() const;
    /// What was added is known to be what the job had when it was found. Any thread.
    bool inputs_agree() const { return agreed_; }
    /// Its user goes away: nothing is posted after this.
    void close();

    /// Flushes what the calling thread itself has added: before it waits for results.
    void flush_own();

    // The client's thread.
    /// Posts what has lain in the block since the look before. Whether to look again.
    bool look();

private:
    template <class Add>
    void add(std::size_t bytes, Add&& add_to_builder);
    void prepare(std::size_t bytes);
    void ask_for_looks();
    /// The fragment with the index is among those that the job had when it was found.
    bool comparing(Index index) const { return found_ && index < found_->next; }
    void compare();
    bool seal_found();
    [[noreturn]] void differ(const std::string& how);
    bool ended() const;
    bool over() const;
    bool has_room() const;
    void hand_over(std::unique_lock<std::mutex>& lock);
    void wait_for_room(std::uint64_t least);
    PackedBlock taken(PackedBlock block);
    void post_block(PackedBlock block, std::optional<std::uint64_t> total);
    [[noreturn]] void throw_stopped() const;

    const JobId job_;
    const Ways ways_;
    Inbox& inbox_;

    BlockBuilder builder_;
    std::atomic<bool> looked_after_ = false;  // look() is called again and again
    std::atomic<Index> lay_ = 0;          // the first fragment that was not taken at the last look
    std::atomic<std::thread::id> adder_;  // the last that is known to have added

    mutable std::mutex mutex_;
    std::optional<OpenJob> opening_;      // goes ahead of the first block
    std::optional<wire::Digest> digest_;  // of a job with a key
    std::optional<wire::Found> found_;    // such a job, as it was
    std::atomic<bool> agreed_ = true;
    std::uint64_t handed_ = 0;  // body bytes
    bool sealed_ = false;
};

}  // namespace fanfold::scatterer
