// What the user of one job scatters, on its way to the client's thread: the block under way, and the room that the broker's credit
// leaves. Used by the user's thread; the client's thread flushes a block that is left lying, and tells of room, seal and end.
//
// Invariants:
// - blocks are posted in order, under the mutex that guards the builder;
// - past the job's credit at most a few blocks wait in the client: the user's thread waits instead.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scatterer/events.hpp"

namespace fanfold::scatterer {

class Outbox {
public:
    struct Ways {
        std::function<void(std::vector<Event>)> post;  // to the client's thread, any thread
        std::function<void()> flush_soon;              // have flush_if_idle() called in a few milliseconds
        std::function<void()> while_waiting;           // called again and again on the user's thread while it waits for room
    };
    Outbox(OpenJob opening, BlockBuilder::Limits most, std::uint64_t credit, Ways ways);

    enum class Stop : std::uint8_t {
        ended,    // the job has an end, which tells all
        refused,  // there will be none
    };

    // The user's thread. All throw JobOver once the job has ended, FanfoldError when it was refused.
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
    /// Its user goes away: nothing is posted after this.
    void close();

    // The client's thread.
    /// Posts the block under way. False when that could not be now, and should be tried again soon.
    bool flush_if_idle();
    void allow(std::uint64_t limit);
    void seal_accepted();
    /// Nothing more is taken, and this is why.
    void stop(const std::string& why, Stop kind);

private:
    template <class Add>
    void add(std::size_t bytes, Add&& add_to_builder);
    bool over() const;
    bool has_room() const;
    void hand_over(std::unique_lock<std::mutex>& lock);
    void wait_for_room(std::uint64_t least);
    void post_block(std::optional<std::uint64_t> total);
    [[noreturn]] void throw_stopped() const;

    const JobId job_;
    const Ways ways_;

    mutable std::mutex mutex_;        // the builder's side
    std::optional<OpenJob> opening_;  // goes ahead of the first block
    BlockBuilder builder_;
    std::uint64_t handed_ = 0;  // body bytes
    bool sealed_ = false;

    mutable std::mutex news_mutex_;  // the client's side
    std::condition_variable news_;
    std::atomic<std::uint64_t> limit_;
    std::atomic<bool> stopped_ = false;
    bool seal_accepted_ = false;
    std::string why_stopped_;
    Stop kind_ = Stop::ended;
};

}  // namespace fanfold::scatterer
