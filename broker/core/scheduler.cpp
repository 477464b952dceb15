#include "broker/core/scheduler.hpp"

#include <algorithm>
#include <cmath>

#include "shared/base/limits.hpp"

namespace fanfold::broker {

namespace {
double nanoseconds(Duration duration) { return static_cast<double>(duration.count()); }
constexpr auto not_worth_splitting = std::chrono::microseconds(500);
// So many fragments of a millisecond or so go together all the same: a chunk's messages cost a part
// of one.
constexpr double few = 16;
constexpr auto longest_few = std::chrono::milliseconds(10);
constexpr double pace_learning_rate = 0.125;
constexpr double slowest_pace = 64;
constexpr std::size_t chunks_a_slot = 4;
constexpr auto longest_queued =
    std::chrono::milliseconds(50);  // of a fragment; past it a round trip is nothing
}  // namespace

std::uint32_t chunk_size(const ChunkInputs& inputs) {
    if (inputs.nanoseconds_each <= 0 || inputs.longest <= 1) return 1;
    double each = inputs.nanoseconds_each * inputs.pace;
    double by_time = std::max(nanoseconds(limits::chunk_target) / each,
                              std::min(few, nanoseconds(longest_few) / each));
    double by_bytes = static_cast<double>(limits::chunk_bytes) / std::max(inputs.bytes_each, 1.0);
    double share = static_cast<double>(inputs.queued) /
                   (2.0 * static_cast<double>(std::max<std::uint64_t>(inputs.slots, 1)));
    double together = nanoseconds(not_worth_splitting) / each;
    double count = std::min(
        {by_time, by_bytes, std::max(std::ceil(share / std::max(inputs.pace, 1.0)), together)});
    return static_cast<std::uint32_t>(std::clamp(count, 1.0, static_cast<double>(inputs.longest)));
}

bool may_queue(double nanoseconds_each) {
    return nanoseconds_each > 0 && nanoseconds_each <= nanoseconds(longest_queued);
}

bool wants_work(const Session& worker, bool queueing) {
    if (worker.usable_slots() == 0) return false;
    if (worker.has_free_slot()) return true;
    if (!queueing || worker.unknown_chunks > 0) return false;  // nobody knows how long that takes
    if (worker.lent_bytes > static_cast<double>(limits::worker_credit_bytes)) return false;
    if (worker.lent.size() < 2 * std::size_t{worker.usable_slots()}) return true;
    // Chunks count too: where fragments take next to no time, the messages are the work.
    double work = nanoseconds(limits::queue_target) * worker.usable_slots();
    return worker.lent_work < work && worker.lent.size() < chunks_a_slot * worker.usable_slots();
}

bool takes_suspect(const Session& worker, bool exclusive) {
    if (!worker.has_free_slot()) return false;
    for (const auto& [sequence, chunk] : worker.lent)
        if (chunk.exclusive || (exclusive && chunk.alone)) return false;
    return true;
}

double learn_pace(double pace, Duration busy, double expected) {
    if (expected <= 0) return pace;
    double ratio = std::clamp(nanoseconds(busy) / expected, 1 / slowest_pace, slowest_pace);
    return pace + pace_learning_rate * (ratio - pace);
}

bool sound_weight(double weight) {
    return std::isfinite(weight) && weight >= 1e-6 && weight <= 1e6;
}

std::string unsound_weight(double weight) {
    return "the weight " + std::to_string(weight) + " is not a number from 0.000001 to 1000000";
}

double load(const Session& worker) {
    double slots = std::max(worker.usable_slots(), 1u);
    return worker.has_free_slot() ? static_cast<double>(worker.lent.size()) / slots
                                  : worker.lent_work / slots;
}

}  // namespace fanfold::broker
