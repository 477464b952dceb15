// What programs ask of the machine that they run on. Cores never do: what they need of it is handed
// to them. Any thread, but for what is said of the heap.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "shared/base/ids.hpp"

namespace fanfold {

/// This host's name, or "?" where it has none.
std::string host_name();

/// A name for this process that people can place: host-pid-suffix.
std::string process_name();

/// "-k3x9ab": tells those apart that are copies of one another otherwise.
std::string random_suffix();

std::uint64_t random_number();

/// A routing id for one life of a connection: its kind's letter (c, w, g) and eleven random letters
/// and digits.
PeerId random_peer_id(char kind);

std::chrono::microseconds microseconds_since_1970();

/// Raises malloc's thresholds, so that large messages don't map and unmap memory each time. Once,
/// at a program's start.
void tune_heap();

/// For programs that hold much, handed from thread to thread: what one thread frees, another uses.
/// Else each thread's heap keeps the most that it ever held. Before any other thread.
void share_one_heap();

}  // namespace fanfold
