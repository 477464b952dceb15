#include "broker/books/run_time_estimate.hpp"

#include <algorithm>
#include <cmath>

namespace fanfold::broker {

namespace {
constexpr std::size_t buckets = 256;
constexpr double learning_rate = 0.25;
constexpr double enough_seen = 20;      // fragments, for a percentile
constexpr double remembered = 100'000;  // fragments in the histogram; then older ones count half
}  // namespace

void RunTimeEstimate::learn(std::uint64_t count, Duration busy) {
    if (count == 0) return;
    double each = std::max(static_cast<double>(busy.count()) / static_cast<double>(count), 1.0);
    each_ = each_ <= 0 ? each : each_ + learning_rate * (each - each_);
    histogram_.resize(buckets);
    if (seen_ > remembered) {
        for (float& bucket : histogram_) bucket /= 2;
        seen_ /= 2;
    }
    auto bucket = std::min(static_cast<std::size_t>(4 * std::log2(each)), buckets - 1);
    histogram_[bucket] += static_cast<float>(count);
    seen_ += static_cast<double>(count);
}

std::optional<Duration> RunTimeEstimate::p95() const {
    if (seen_ < enough_seen) return std::nullopt;
    double above = 0;
    for (std::size_t bucket = histogram_.size(); bucket-- > 0;) {
        above += static_cast<double>(histogram_[bucket]);
        if (above > seen_ * 0.05)
            return Duration(
                static_cast<Duration::rep>(std::exp2(static_cast<double>(bucket + 1) / 4)));
    }
    return std::nullopt;
}

}  // namespace fanfold::broker
