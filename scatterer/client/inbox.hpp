// What the client leaves for the user of one job: results and the job's end, and for the one who
// adds fragments room, the seal's acceptance, and why nothing is taken any more. The edge between
// the client's thread and the user's: one mutex, and a condition variable for each of the two. A
// user's thread that runs a handler of a worker does not just wait: it helps
// (shared/base/handler_thread.hpp).
//
// One thread of the user may add while another collects.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "scatterer/core/events.hpp"
#include "shared/base/handler_thread.hpp"

namespace fanfold::scatterer {

/// A run of values, or one failure with its output as the body.
struct Delivery {
    Receipt receipt;
    Index first = 0;
    std::uint32_t count = 0;
    wire::RunMeta meta;
    Slice body;
    std::optional<wire::Failure> failure = {};
    bool told = false;  // it counts as consumed already
};

/// Why no fragment is taken any more.
struct Stop {
    enum class Kind : std::uint8_t {
        ended,    // the job has an end, which tells all
        refused,  // there will be none
        differs,  // the inputs are not those of the job that was found
    };
    Kind kind = Kind::ended;
    std::string why;
};

class Inbox {
public:
    // The client's thread.
    /// The thread that collects wakes up for these two when tell() is called.
    void put(Delivery delivery);
    void conclude(wire::Concluded end);
    void tell();
    void locate();
    void refuse(const std::string& why);
    void allow(std::uint64_t limit);
    void accept_seal();

    // Any thread. The first stop counts, but that the inputs differ counts more than an end.
    void stop(Stop stop);
    bool stopped() const { return stopped_; }
    std::optional<Stop> why_stopped() const;

    // The user's thread that collects.
    /// Moves what has come to the back of `into`; waits until something has, or the job has ended,
    /// or the time is over. Whether there is anything, or the end.
    bool take(std::deque<Delivery>& into, std::optional<Time> until);
    /// Waits until the job is located, or has ended.
    void wait_located();
    /// Whether everything was taken, and the end is known.
    bool finished() const;
    /// The end, once it is known; it follows everything that was put.
    std::optional<wire::Concluded> end() const;
    /// Why there will be no end, once that is known.
    std::optional<std::string> refusal() const;

    // The user's thread that adds.
    /// Body bytes of the job that may be handed in.
    std::uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
    /// Waits for a limit above `least`, or a stop, or until the time is over.
    void wait_for_room(std::uint64_t least, Time until);
    /// Waits until the seal is accepted, or nothing is taken any more. Whether it is accepted.
    bool wait_sealed();

private:
    /// Waits on one of the condition variables, or helps, until it is ready or the time is over.
    template <class Ready>
    void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Time until,
              Ready ready);
    /// With the mutex. The condition variables are notified beside it.
    void wake_helping();
    bool over() const { return end_ || refusal_; }
    /// With the mutex.
    void set_stop(Stop stop);

    mutable std::mutex mutex_;
    std::condition_variable results_changed_;  // for the thread that collects
    std::condition_variable state_changed_;    // for threads that wait for anything else
    std::vector<HandlerThread*> helping_;      // instead of waiting for either
    std::deque<Delivery> items_;
    bool located_ = false;
    std::optional<wire::Concluded> end_;
    std::optional<std::string> refusal_;
    std::atomic<std::uint64_t> limit_ = 0;
    bool seal_accepted_ = false;
    std::optional<Stop> stop_;
    std::atomic<bool> stopped_ = false;  // there is one; read without the mutex
};

}  // namespace fanfold::scatterer
