// How the cost of a fragment, and the books about it, grow with the size of a job: the broker's and
// the gatherer's core, driven by steps alone. Prints CSV:
// core,fragments,steps,nanoseconds_per_fragment,books_bytes,books_bytes_per_fragment
//
//     scale_curve [MILLIONS...]      sizes of the jobs, in millions of fragments (1 10 100)
//
// The books are what the core has asked of malloc and not given back, at the most; bodies are not
// in them. Each size is run three times, in turn with the others; the shortest time counts.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "tests/bench/played_broker.hpp"
#include "tests/bench/played_gatherer.hpp"

namespace {

/// Before each piece of memory: whether it counts.
struct alignas(16) Mark {
    std::uint64_t counted = 0;
};
std::int64_t live = 0, peak = 0;

void* give(std::size_t bytes) {
    auto* mark = static_cast<Mark*>(std::malloc(sizeof(Mark) + bytes));
    if (mark == nullptr) throw std::bad_alloc();
    mark->counted = fanfold::bench::within_core ? malloc_usable_size(mark) - sizeof(Mark) : 0;
    live += static_cast<std::int64_t>(mark->counted);
    peak = std::max(peak, live);
    return mark + 1;
}

void take_back(void* memory) noexcept {
    if (memory == nullptr) return;
    auto* mark = static_cast<Mark*>(memory) - 1;
    live -= static_cast<std::int64_t>(mark->counted);
    std::free(mark);
}

}  // namespace

void* operator new(std::size_t bytes) { return give(bytes); }
void* operator new[](std::size_t bytes) { return give(bytes); }
void operator delete(void* memory) noexcept { take_back(memory); }
void operator delete[](void* memory) noexcept { take_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { take_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { take_back(memory); }

namespace fanfold::bench {
namespace {

constexpr int rounds = 3;

struct Measured {
    double nanoseconds = 0;
    std::uint64_t steps = 0;
    std::int64_t books = 0;
};

Measured measure(Spent spent) {
    return {static_cast<double>(spent.time.count()), spent.steps, peak};
}

Measured through_broker(std::uint64_t fragments) {
    live = peak = 0;
    PlayedBroker broker({.workers = 8});
    broker.open(1, fragments);
    broker.run_to_end();
    return measure(broker.spent());
}

Measured through_gatherer(std::uint64_t fragments) {
    live = peak = 0;
    PlayedGatherer gatherer({});
    gatherer.open(fragments);
    gatherer.run_to_end();
    return measure(gatherer.spent());
}

void curve(const char* core, Measured (*through)(std::uint64_t),
           const std::vector<std::uint64_t>& sizes) {
    std::map<std::uint64_t, Measured> best;
    for (int round = 0; round < rounds; ++round) {
        for (std::uint64_t size : sizes) {
            Measured measured = through(size);
            Measured& shown = best[size];
            if (round == 0 || measured.nanoseconds < shown.nanoseconds) shown = measured;
        }
    }
    for (const auto& [size, measured] : best)
        std::printf("%s,%lu,%lu,%.3f,%ld,%.4f\n", core, size, measured.steps,
                    measured.nanoseconds / static_cast<double>(size), measured.books,
                    static_cast<double>(measured.books) / static_cast<double>(size));
}

}  // namespace
}  // namespace fanfold::bench

int main(int count, char** arguments) {
    try {
        std::vector<std::uint64_t> sizes;
        for (int i = 1; i < count; ++i)
            sizes.push_back(static_cast<std::uint64_t>(std::stod(arguments[i]) * 1e6));
        if (sizes.empty()) sizes = {1'000'000, 10'000'000, 100'000'000};
        std::printf(
            "core,fragments,steps,nanoseconds_per_fragment,books_bytes,books_bytes_per_fragment\n");
        fanfold::bench::curve("broker", fanfold::bench::through_broker, sizes);
        fanfold::bench::curve("gatherer", fanfold::bench::through_gatherer, sizes);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "scale_curve: %s\n", error.what());
        return 1;
    }
}
