// How much of payloads is on its way to one worker, and how much may be: what it was seen to take
// within a second. Its rate is that of delivery: what arrived while a chunk was on its way, by the
// time that this took (Cardwell and others 2016, BBR). Plain value.
//
// Invariant: `on_its_way` is the sum of what was sent and has not arrived.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "broker/base/limits.hpp"
#include "shared/base/ids.hpp"

namespace fanfold::broker {

class Flow {
public:
    /// With this number in its session.
    void sent(std::uint64_t dispatch, std::uint64_t bytes, Time now);
    /// All dispatches up to this one have arrived.
    void arrived(std::uint64_t dispatch, Time now);

    /// Of the oldest that is on its way, so much should have come by now.
    void look(Time now);

    /// One dispatch may always be on its way; the next one behind it before all of it has come.
    bool is_full() const { return on_its_way_ > passed_ && on_its_way_ - passed_ >= room(); }
    /// So many would come within a moment, by the rate: they need not travel in parts.
    bool is_quick(std::uint64_t bytes) const {
        constexpr std::chrono::duration<double> moment = limits::quick_time;
        return bytes <= limits::quick_bytes && static_cast<double>(bytes) <= rate_ * moment.count();
    }
    std::uint64_t on_its_way() const { return on_its_way_; }
    /// Bytes that may be on their way.
    std::uint64_t room() const;

private:
    struct Sent {
        std::uint64_t dispatch = 0;
        std::uint64_t bytes = 0;
        Time at{};
        std::uint64_t arrived_before = 0;
        bool filled = false;  // nothing more could be sent: the rate may be no higher
    };
    std::deque<Sent> sent_;
    std::uint64_t on_its_way_ = 0;
    std::uint64_t arrived_ = 0;
    Time last_arrival_{};
    std::uint64_t passed_ = 0;  // of the oldest, by the rate
    double rate_ = 0;           // bytes a second
};

}  // namespace fanfold::broker
