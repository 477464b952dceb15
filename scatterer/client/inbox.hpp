// What the client leaves for the user of one job: results, its end, its refusal. The edge between
// the client's core and the user's thread: one mutex, and one condition variable for whoever waits,
// which goes with Leadership's.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "scatterer/core/events.hpp"

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

class Inbox {
public:
    // The client. Nobody is woken.
    void put(Delivery delivery);
    void locate();
    void conclude(wire::Concluded end);
    void refuse(std::string text);

    // The user's thread.
    std::condition_variable& changed() { return changed_; }
    /// Something has come, or the job has ended.
    bool ready() const;
    /// The job is located, or has ended.
    bool located() const;
    /// Moves what has come to the back of `into`. Whether there is anything, or the end.
    bool take(std::deque<Delivery>& into);
    /// Whether everything was taken, and the end is known.
    bool finished() const;
    /// The end, once it is known; it follows everything that was put.
    std::optional<wire::Concluded> end() const;
    /// Why there will be no end, once that is known.
    std::optional<std::string> refusal() const;

private:
    bool over() const { return end_ || refusal_; }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Delivery> items_;
    bool located_ = false;
    std::optional<wire::Concluded> end_;
    std::optional<std::string> refusal_;
};

}  // namespace fanfold::scatterer
