// How much work goes to whom, as pure functions of what the broker knows.
#pragma once

#include <cstdint>
#include <string>

#include "broker/peers.hpp"

namespace fanfold::broker {

/// What decides the size of a job's next chunk.
struct ChunkInputs {
    std::uint64_t queued = 0;     // fragments that wait
    std::uint32_t longest = 0;    // the most that can go together
    std::uint64_t slots = 1;      // of all workers that offer its function
    double nanoseconds_each = 0;  // estimated; 0: not known
    double bytes_each = 0;        // mean payload
};

/// Fragments in the next chunk: a few milliseconds of work (limits::chunk_target), one while the time of a fragment is not known; within
/// limits::chunk_bytes; and toward a job's end half of an even share, R/2P (factoring: Hummel, Schonberg, Flynn 1992), so that no worker is
/// left with a long tail. What takes no time worth splitting stays together.
std::uint32_t chunk_size(const ChunkInputs& inputs);

/// Whether the worker should be lent another chunk whose fragments take so long: one for each slot, and beyond that only as much
/// short work as hides a round trip (limits::queue_target), so that a long fragment never waits behind another.
bool wants_work(const Session& worker, double nanoseconds_each);

/// Whether a suspect that runs alone in its chunk may go to this worker: it must start at once, so that nothing else can be what kills the
/// worker while it waits, and an exclusive one is the only suspect there.
bool takes_suspect(const Session& worker, bool exclusive);

/// Whether it can be a job's weight.
bool sound_weight(double weight);
std::string unsound_weight(double weight);

/// How busy a worker is: chunks on loan for each usable slot. The least is served first.
double load(const Session& worker);

/// The moving estimate of the time of a fragment, after a run of `count` that took `busy`.
double learn(double estimate, std::uint64_t count, Duration busy);

}  // namespace fanfold::broker
