#include "broker/dispatch/scheduler.hpp"

#include <algorithm>
#include <cmath>

#include "broker/base/limits.hpp"

namespace fanfold::broker {

namespace {
double nanoseconds(Duration duration) { return static_cast<double>(duration.count()); }
}  // namespace

std::uint32_t chunk_size(const ChunkInputs& inputs) {
    if (inputs.nanoseconds_each <= 0 || inputs.longest <= 1) return 1;
    double each = inputs.nanoseconds_each * inputs.pace;
    double by_time =
        std::max(nanoseconds(limits::chunk_target) / each,
                 std::min(limits::few_fragments, nanoseconds(limits::longest_few) / each));
    double by_bytes = static_cast<double>(limits::chunk_bytes) / std::max(inputs.bytes_each, 1.0);
    double share = static_cast<double>(inputs.queued) /
                   (2.0 * static_cast<double>(std::max<std::uint64_t>(inputs.slots, 1)));
    double together = nanoseconds(limits::not_worth_splitting) / each;
    double count = std::min(
        {by_time, by_bytes, std::max(std::ceil(share / std::max(inputs.pace, 1.0)), together)});
    return static_cast<std::uint32_t>(std::clamp(count, 1.0, static_cast<double>(inputs.longest)));
}

bool may_queue(double nanoseconds_each, Duration round_trip) {
    const Duration longest =
        std::max<Duration>(limits::longest_queued, limits::queued_round_trips * round_trip);
    return nanoseconds_each > 0 && nanoseconds_each <= nanoseconds(longest);
}

bool wants_work(const Session& worker, bool queueing) {
    if (worker.usable_slots() == 0 || worker.load->flow.is_full()) return false;
    if (worker.has_free_slot()) return true;
    if (!queueing || worker.load->unknown_chunks > 0)
        return false;  // nobody knows how long that takes
    if (worker.load->bytes > static_cast<double>(limits::worker_credit_bytes)) return false;
    if (worker.load->in_slots() < 2 * std::size_t{worker.usable_slots()}) return true;
    // Chunks count too: where fragments take next to no time, the messages are the work.
    double work = nanoseconds(limits::queue_target) * worker.usable_slots();
    return worker.load->work < work &&
           worker.load->in_slots() < limits::chunks_a_slot * worker.usable_slots();
}

bool takes_suspect(const Session& worker, bool exclusive) {
    return worker.has_free_slot() && bears_suspect(worker, exclusive);
}

bool bears_suspect(const Session& worker, bool exclusive) {
    for (const auto& [sequence, chunk] : worker.load->lent)
        if (chunk.exclusive || (exclusive && chunk.alone)) return false;
    return true;
}

double learn_pace(double pace, Duration busy, double expected) {
    if (expected <= 0) return pace;
    double ratio =
        std::clamp(nanoseconds(busy) / expected, 1 / limits::slowest_pace, limits::slowest_pace);
    return pace + limits::pace_learning_rate * (ratio - pace);
}

bool sound_weight(double weight) {
    return std::isfinite(weight) && weight >= 1e-6 && weight <= 1e6;
}

std::string unsound_weight(double weight) {
    return "the weight " + std::to_string(weight) + " is not a number from 0.000001 to 1000000";
}

double load(const Session& worker) {
    double slots = std::max(worker.usable_slots(), 1u);
    return worker.has_free_slot() ? static_cast<double>(worker.load->in_slots()) / slots
                                  : worker.load->work / slots;
}

}  // namespace fanfold::broker
