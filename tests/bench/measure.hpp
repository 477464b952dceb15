// What the benchmark programs share: the clock, the payloads with their expected results, and how
// figures are printed. A program prints its figures to standard output as lines of `name,value`.
// What is not as expected ends it with exit code 1 and no figures.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fanfold::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// The payload of 16 bytes.
struct Small {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool operator==(const Small&) const = default;
};
inline Small small_payload(std::uint64_t index) {
    return {.low = index * 0x9E3779B97F4A7C15U, .high = ~index};
}

inline std::vector<Small> small_payloads(std::uint64_t count) {
    std::vector<Small> payloads;
    payloads.reserve(count);
    for (std::uint64_t index = 0; index < count; ++index) payloads.push_back(small_payload(index));
    return payloads;
}

/// The payload of 1 MiB, but for the index that it begins with.
constexpr std::size_t large_bytes = 1 << 20;
inline std::string large_payload() {
    std::string payload(large_bytes, '\0');
    for (std::size_t i = 0; i < payload.size(); ++i)
        payload[i] = static_cast<char>(i * 31 + i / 257);
    return payload;
}
/// Large fragments on their way at a time.
constexpr std::uint64_t large_window = 16;

/// Memory that a run takes for each fragment, at most: payloads and results, and for small ones
/// what is on its way and in its books.
constexpr std::size_t small_memory = 128;
constexpr std::size_t large_memory = 2 * large_bytes;

constexpr std::uint64_t job_fragments = 10;    // of a small job
constexpr std::uint64_t jobs_to_warm_up = 20;  // run before those that count

inline void check(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(std::string("not as expected: ") + what);
}

/// Has the kernel hold so much free memory that it has used before. On a virtual machine what
/// nobody used for seconds may have gone back to the host, and the first touch of a page then costs
/// many times what it costs otherwise: the run that comes first would pay for that.
inline void touch_memory(std::size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    check(memory != MAP_FAILED, "there is memory");
    munmap(memory, bytes);
}

inline void print_figure(const char* name, double value) { std::printf("%s,%.2f\n", name, value); }

/// Takes seconds; prints some percentiles in microseconds, and the 99.9th by the name of p999.
inline void print_latencies(std::vector<double> times) {
    std::ranges::sort(times);
    auto at = [&](std::size_t per_mille) {
        return times.at(times.size() * per_mille / 1000) * 1e6;
    };
    for (std::size_t percent : {5U, 10U, 25U, 50U, 75U, 90U, 95U, 99U})
        print_figure(("p" + std::to_string(percent) + "_us").c_str(), at(10 * percent));
    print_figure("p999_us", at(999));
}

}  // namespace fanfold::bench
