// A limited rate of anything that others can cause: lines of a log, jobs that a user opens. Plain
// value, on the thread that owns it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "shared/base/ids.hpp"

namespace fanfold {

struct TokenRate {
    std::uint64_t at_once = 1;                    // tokens of a bucket that is full
    Duration interval = std::chrono::seconds(1);  // after which there is one more; 0: no limit
};

class TokenBucket {
public:
    TokenBucket() = default;
    explicit TokenBucket(TokenRate rate) : rate_(rate) {}

    /// From now on; tokens that were taken stay taken.
    void set_rate(TokenRate rate) { rate_ = rate; }
    /// Takes a token, if there is one; then how many were refused since the last.
    std::optional<std::uint64_t> take(Time now) {
        ++asked_;
        if (wait(now) > Duration(0)) {
            ++refused_;
            return std::nullopt;
        }
        full_at_ = std::max(full_at_, now) + rate_.interval;
        return std::exchange(refused_, 0);
    }
    /// How long until there is a token.
    Duration wait(Time now) const {
        Duration missing = std::max(full_at_, now) + rate_.interval - now;
        return std::max(Duration(0),
                        missing - static_cast<std::int64_t>(rate_.at_once) * rate_.interval);
    }
    /// How often a token was asked for.
    std::uint64_t asked() const { return asked_; }

private:
    TokenRate rate_;
    Time full_at_{};  // the bucket is full from then on
    std::uint64_t asked_ = 0;
    std::uint64_t refused_ = 0;  // since the last token
};

}  // namespace fanfold
