#include "broker/scheduler.hpp"

#include <algorithm>
#include <cmath>

#include "shared/limits.hpp"

namespace fanfold::broker {

namespace {
double nanoseconds(Duration duration) { return static_cast<double>(duration.count()); }
constexpr auto not_worth_splitting = std::chrono::microseconds(500);
constexpr double learning_rate = 0.25;
}  // namespace

std::uint32_t chunk_size(const ChunkInputs& inputs) {
    if (inputs.nanoseconds_each <= 0 || inputs.longest <= 1) return 1;
    double by_time = nanoseconds(limits::chunk_target) / inputs.nanoseconds_each;
    double by_bytes = static_cast<double>(limits::chunk_bytes) / std::max(inputs.bytes_each, 1.0);
    double share = std::ceil(static_cast<double>(inputs.queued) / (2.0 * static_cast<double>(std::max<std::uint64_t>(inputs.slots, 1))));
    double together = nanoseconds(not_worth_splitting) / inputs.nanoseconds_each;
    double count = std::min({by_time, by_bytes, std::max(share, together)});
    return static_cast<std::uint32_t>(std::clamp(count, 1.0, static_cast<double>(inputs.longest)));
}

bool wants_work(const Session& worker, double nanoseconds_each) {
    if (worker.usable_slots() == 0) return false;
    if (worker.lent.size() < worker.usable_slots()) return true;
    if (nanoseconds_each <= 0 || nanoseconds_each > nanoseconds(limits::chunk_target)) return false;
    double work = 0;
    double bytes = 0;
    for (const auto& [sequence, chunk] : worker.lent) {
        if (chunk.nanoseconds_each <= 0) return false;  // nobody knows how long that takes
        work += static_cast<double>(chunk.fragments) * chunk.nanoseconds_each;
        bytes += static_cast<double>(chunk.fragments) * chunk.bytes_each;
    }
    if (bytes > static_cast<double>(limits::worker_credit_bytes)) return false;
    // Chunks count too: where fragments take next to no time, the messages are the work.
    return work < nanoseconds(limits::queue_target) * worker.usable_slots() && worker.lent.size() < 4 * worker.usable_slots();
}

bool takes_suspect(const Session& worker, bool exclusive) {
    if (worker.lent.size() >= worker.usable_slots()) return false;
    for (const auto& [sequence, chunk] : worker.lent)
        if (chunk.exclusive || (exclusive && chunk.alone)) return false;
    return true;
}

bool sound_weight(double weight) { return std::isfinite(weight) && weight >= 1e-6 && weight <= 1e6; }

std::string unsound_weight(double weight) { return "the weight " + std::to_string(weight) + " is not a number from 0.000001 to 1000000"; }

double load(const Session& worker) {
    return static_cast<double>(worker.lent.size()) / static_cast<double>(std::max(worker.usable_slots(), 1u));
}

double learn(double estimate, std::uint64_t count, Duration busy) {
    if (count == 0) return estimate;
    double each = std::max(nanoseconds(busy) / static_cast<double>(count), 1.0);
    return estimate <= 0 ? each : estimate + learning_rate * (each - estimate);
}

}  // namespace fanfold::broker
