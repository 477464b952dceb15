#include "broker/state/flow.hpp"

#include <algorithm>
#include <chrono>

#include "broker/base/limits.hpp"

namespace fanfold::broker {

void Flow::sent(std::uint64_t dispatch, std::uint64_t bytes, Time now) {
    if (bytes == 0) return;
    on_its_way_ += bytes;
    sent_.push_back({.dispatch = dispatch,
                     .bytes = bytes,
                     .at = now,
                     .arrived_before = arrived_,
                     .filled = is_full()});
}

void Flow::arrived(std::uint64_t dispatch, Time now) {
    const Sent* last = nullptr;
    std::size_t count = 0;
    while (count < sent_.size() && sent_[count].dispatch <= dispatch) {
        last = &sent_[count++];
        on_its_way_ -= last->bytes;
        arrived_ += last->bytes;
    }
    if (!last) return;
    passed_ = 0;
    last_arrival_ = now;
    using Seconds = std::chrono::duration<double>;
    const double took = std::max(Seconds(now - last->at), Seconds(limits::shortest_flow)).count();
    const double rate = static_cast<double>(arrived_ - last->arrived_before) / took;
    if (rate > rate_ || last->filled) rate_ = std::max(rate, rate_ * limits::flow_decay);
    sent_.erase(sent_.begin(), sent_.begin() + static_cast<std::ptrdiff_t>(count));
}

void Flow::look(Time now) {
    passed_ = 0;
    if (sent_.empty()) return;
    const std::chrono::duration<double> coming = now - std::max(sent_.front().at, last_arrival_);
    passed_ = std::min(static_cast<std::uint64_t>(rate_ * coming.count()), sent_.front().bytes);
}

std::uint64_t Flow::room() const {
    const double room = rate_ * std::chrono::duration<double>(limits::flow_time).count();
    return std::clamp(static_cast<std::uint64_t>(room), std::uint64_t{limits::least_flow},
                      std::uint64_t{limits::body_bytes});
}

}  // namespace fanfold::broker
