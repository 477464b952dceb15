// How much work goes to whom, as pure functions of what the broker knows.
#pragma once

#include <cstdint>
#include <string>

#include "broker/state/session.hpp"

namespace fanfold::broker {

/// What decides the size of a job's next chunk.
struct ChunkInputs {
    std::uint64_t queued = 0;     // fragments that wait
    std::uint32_t longest = 0;    // the most that can go together
    std::uint64_t slots = 1;      // of all workers that could run them
    double nanoseconds_each = 0;  // estimated for the job; 0: not known
    double pace = 1;              // of the worker: how much longer it takes than others
    double bytes_each = 0;        // mean payload
};

/// Fragments in the next chunk: a few milliseconds of work (limits::chunk_target), one while the
/// time of a fragment is not known; within limits::chunk_bytes; and toward a job's end half of an
/// even share, R/2P (factoring: Hummel, Schonberg, Flynn 1992), so that no worker is left with a
/// long tail, the less of it the slower the worker. What takes no time worth splitting stays
/// together.
std::uint32_t chunk_size(const ChunkInputs& inputs);

/// Whether a worker whose slots are all taken may be lent more of what takes so long: only short
/// work, so that a long fragment seldom waits behind another, or what is short beside the round
/// trip to any worker; and no more than hides that. Should a slot become idle elsewhere meanwhile,
/// it is recalled.
bool may_queue(double nanoseconds_each, Duration round_trip);

/// Whether the worker should be lent another chunk: one for each slot; with `queueing`, some more
/// (limits::queue_target); none while its link is full (flow.hpp).
bool wants_work(const Session& worker, bool queueing);

/// How busy a worker is: of one with a free slot, chunks on loan for each slot; of another,
/// nanoseconds of work for each. The least is served first.
double load(const Session& worker);

/// Whether a suspect that runs alone in its chunk may go to this worker: it must start at once, so
/// that nothing else can be what kills the worker while it waits, and an exclusive one is the only
/// suspect there.
bool takes_suspect(const Session& worker, bool exclusive);
/// The same where it needs no slot.
bool bears_suspect(const Session& worker, bool exclusive);

/// The worker's pace after a run that took `busy`, where `expected` was the estimate for any
/// worker.
double learn_pace(double pace, Duration busy, double expected);

/// Whether it can be a job's weight.
bool sound_weight(double weight);
std::string unsound_weight(double weight);

}  // namespace fanfold::broker
