// A limited rate of lines, for logs that others can make grow. Plain value, on the thread that owns
// it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "shared/base/ids.hpp"

namespace fanfold {

/// Some lines at once, then one each interval.
class LineRate {
public:
    LineRate(std::uint32_t at_once, Duration interval)
        : at_once_(at_once), left_(at_once), interval_(interval) {}

    /// Whether a line may be written now, and then how many were left out since the last one.
    std::optional<std::uint64_t> take(Time now) {
        if (now - refilled_ >= interval_) {
            auto more = std::min<std::int64_t>((now - refilled_) / interval_, at_once_);
            left_ = std::min(at_once_, left_ + static_cast<std::uint32_t>(more));
            refilled_ = now;
        }
        if (left_ == 0) {
            ++left_out_;
            return std::nullopt;
        }
        --left_;
        return std::exchange(left_out_, 0);
    }

private:
    std::uint32_t at_once_;
    std::uint32_t left_;
    Duration interval_;
    Time refilled_{};
    std::uint64_t left_out_ = 0;
};

}  // namespace fanfold
