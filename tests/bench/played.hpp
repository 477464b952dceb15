// What the benches of the cores share: time that is spent in a core, memory that it asks for, and
// blocks whose payloads weigh nothing. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>

#include "shared/base/ids.hpp"
#include "shared/base/limits.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"
#include "tests/simulation/random.hpp"

namespace fanfold::bench {

/// Set while a core works: a program that counts memory counts what is asked for then.
inline bool within_core = false;

/// The processor time of steps of one kind, and how many there were.
struct Spent {
    Duration time{};
    std::uint64_t steps = 0;
};

/// Processor time of this thread: other programs on the machine are not in it.
inline Duration thread_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// What looking at that clock twice takes by itself.
inline Duration cost_of_looking() {
    Duration least = std::chrono::seconds(1);
    for (int i = 0; i < 1000; ++i) {
        Duration begin = thread_time();
        least = std::min(least, thread_time() - begin);
    }
    return least;
}

/// Measures one step from its making to its end.
class Stopwatch {
public:
    explicit Stopwatch(Spent& spent) : spent_(spent), begin_(thread_time()) { within_core = true; }
    ~Stopwatch() {
        static const Duration looking = cost_of_looking();
        within_core = false;
        spent_.time += std::max<Duration>(thread_time() - begin_ - looking, Duration(0));
        ++spent_.steps;
    }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

private:
    Spent& spent_;
    Duration begin_;
};

/// A payload or value of 16 bytes as it travels: a MessagePack str.
constexpr std::size_t packed_bytes = 17;

/// `count` of them, at most a block's. All share one buffer: however many there are, they take no
/// memory.
inline Slice packed_fragments(std::uint32_t count) {
    static const Slice all = [] {
        std::string bytes;
        for (std::uint32_t i = 0; i < limits::block_fragments; ++i)
            bytes += static_cast<char>(0xb0) + std::string(packed_bytes - 1, 'x');
        return Slice::take(std::move(bytes));
    }();
    return all.sub(0, count * packed_bytes);
}

/// The most of them in a block, as a client makes it.
constexpr std::uint32_t full_block = limits::block_bytes / packed_bytes;
static_assert(full_block <= limits::block_fragments);

/// The cut offsets of a block of them.
inline std::string packed_cuts(std::uint32_t count) {
    std::string cuts;
    for (std::uint32_t at = limits::cut_stride; at < count; at += limits::cut_stride) {
        auto offset = static_cast<std::uint32_t>(at * packed_bytes);
        for (unsigned shift = 0; shift < 32; shift += 8) cuts += static_cast<char>(offset >> shift);
    }
    return cuts;
}

inline JobId job_number(std::uint64_t number) {
    return make_job_id(std::chrono::milliseconds(number), 0, number);
}

}  // namespace fanfold::bench
