// Fanfold through its C++ API, over the fleet that $FANFOLD_BROKER names or embedded in this
// process.
//
//     fleet_bench KIND COUNT
//
// Kinds:
// - small: fragments of 16 bytes through fanfold.echo, assembled in order and compared;
// - kept: the same in a job that is not attached: accepted fragments and results are kept for
//   whoever collects;
// - large: fragments of 1 MiB; medium: of 64 KiB;
// - job: jobs of 10 small fragments in sequence;
// - embedded, embedded-job: `small` and `job` with a C++ handler in two slots of this process;
// - embedded-work: fragments whose handler takes about 10 µs, likewise;
// - pool: the same handler in a hand-made pool of two threads that takes 1,000 fragments at a time.
#include <cstring>
#include <fanfold/embedded.hpp>
#include <functional>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>

#include "tests/bench/measure.hpp"

namespace fanfold::bench {
namespace {

constexpr std::uint32_t slots = 2;
constexpr const char* echo = "fanfold.echo";

// --- payloads

/// A Small as one MessagePack object: a str of 16 bytes.
class PackedSmall {
public:
    static constexpr std::size_t size = 1 + sizeof(Small);
    explicit PackedSmall(const Small& payload) {
        std::memcpy(bytes_ + 1, &payload, sizeof(payload));
    }
    operator std::string_view() const { return {bytes_, size}; }

private:
    char bytes_[size] = {static_cast<char>(0xa0 + sizeof(Small))};
};

/// Puts a run's values where they belong; they must follow one another.
void take_small(const ResultRun& run, std::vector<Small>& results, std::uint64_t& received) {
    if (run.failure) throw std::runtime_error("a fragment failed: " + run.failure->message);
    check(run.first == received, "results come in order");
    check(run.values.size() == run.count * PackedSmall::size, "values have their size");
    check(received + run.count <= results.size(), "there are as many results as fragments");
    for (std::uint32_t i = 0; i < run.count; ++i) {
        std::memcpy(&results[received++], run.values.data() + i * PackedSmall::size + 1,
                    sizeof(Small));
    }
}

void expect_complete(Job& job) {
    JobEnd end = job.wait();
    if (end.outcome != JobOutcome::complete)
        throw std::runtime_error("the job ended otherwise: " + end.reason);
}

// --- the kinds

/// One thread adds while this one collects. Returns the seconds.
double echo_small(Scatterer& scatterer, const char* function, const std::vector<Small>& payloads,
                  bool attached) {
    std::vector<Small> results(payloads.size());
    auto begin = Clock::now();
    Job job = scatterer.open(function, {.ordered = true, .attached = attached});
    auto adder = std::async(std::launch::async, [&] {
        for (const Small& payload : payloads) job.add_packed(PackedSmall(payload));
        job.seal();
    });
    std::uint64_t received = 0;
    while (auto run = job.next_run()) take_small(*run, results, received);
    adder.get();
    expect_complete(job);
    double took = seconds_since(begin);
    check(results == payloads, "each result is its fragment's");
    if (!attached) scatterer.forget(job.id());
    return took;
}

void small(Scatterer& scatterer, const char* function, std::uint64_t count, bool attached = true) {
    touch_memory(small_memory * count);
    echo_small(scatterer, function, small_payloads(count / 20 + 1), true);  // to warm up
    print_figure("per_second",
                 static_cast<double>(count) /
                     echo_small(scatterer, function, small_payloads(count), attached));
}

void jobs(Scatterer& scatterer, const char* function, std::uint64_t count) {
    auto payloads = small_payloads(job_fragments);
    std::vector<double> times;
    for (std::uint64_t number = 0; number < count + jobs_to_warm_up; ++number) {
        std::vector<Small> results(job_fragments);
        auto begin = Clock::now();
        Job job = scatterer.open(function, {.ordered = true});
        for (const Small& payload : payloads) job.add_packed(PackedSmall(payload));
        job.seal();
        std::uint64_t received = 0;
        while (auto run = job.next_run()) take_small(*run, results, received);
        expect_complete(job);
        if (number >= jobs_to_warm_up) times.push_back(seconds_since(begin));
        check(results == payloads, "each result is its fragment's");
    }
    print_latencies(times);
}

/// A MessagePack bin of 32-bit length: its index, and the large payload.
std::string packed_large(const std::string& payload) {
    std::uint64_t size = sizeof(std::uint64_t) + payload.size();
    std::string object = "\xc6";
    for (int shift = 24; shift >= 0; shift -= 8) object += static_cast<char>(size >> shift);
    object.append(sizeof(std::uint64_t), '\0');
    return object + payload;
}

/// `window`: on their way at a time.
struct Large {
    std::size_t bytes = large_bytes;
    std::ptrdiff_t window = large_window;
};

double echo_large(Scatterer& scatterer, std::uint64_t count, Large kind) {
    constexpr std::size_t header = 5;
    std::string object = packed_large(large_payload().substr(0, kind.bytes));
    std::vector<ResultRun> results;  // as they come
    results.reserve(count);
    std::uint64_t received = 0;
    std::counting_semaphore<> room(kind.window);
    auto begin = Clock::now();
    Job job = scatterer.open(echo, {.ordered = true});
    auto adder = std::async(std::launch::async, [&, object]() mutable {
        for (std::uint64_t index = 0; index < count; ++index) {
            room.acquire();
            std::memcpy(object.data() + header, &index, sizeof(index));
            job.add_packed(object);
        }
        job.seal();
    });
    while (auto run = job.next_run()) {
        check(!run->failure && run->first == received &&
                  run->values.size() == run->count * object.size(),
              "values come in order");
        received += run->count;
        room.release(run->count);
        results.push_back(*std::move(run));
    }
    adder.get();
    expect_complete(job);
    double took = seconds_since(begin);
    check(received == count, "there are as many results as fragments");
    for (const ResultRun& run : results)
        for (std::uint64_t i = 0; i < run.count; ++i) {
            std::uint64_t index = run.first + i;
            std::memcpy(object.data() + header, &index, sizeof(index));
            check(run.values.substr(i * object.size(), object.size()) == object,
                  "each result is its fragment's");
        }
    return took;
}

void large(Scatterer& scatterer, std::uint64_t count, Large kind = {}) {
    touch_memory(2 * kind.bytes * count);
    echo_large(scatterer, large_window, kind);  // to warm up
    print_figure("mb_per_second", static_cast<double>(count * kind.bytes) /
                                      echo_large(scatterer, count, kind) / 1e6);
}

// --- a handler that takes its time

/// A fixed amount of computing, about 10 µs: a handler that watched the clock instead would hide
/// what it waits for a processor.
Small compute(Small value) {
    for (int i = 0; i < 6'000; ++i) value.low = value.low * 6364136223846793005U + value.high;
    return value;
}

std::string_view bytes_of(const Small& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::string compute_text(std::string_view text) {
    Small value;
    check(text.size() == sizeof(value), "a payload has its size");
    std::memcpy(&value, text.data(), sizeof(value));
    return std::string(bytes_of(compute(value)));
}

void embedded_work(std::uint64_t count) {
    Embedded fleet({.slots = slots});
    fleet.function("compute", compute_text);
    auto payloads = small_payloads(count);
    std::vector<Small> results(count);
    auto begin = Clock::now();
    Job job = fleet.scatterer().open("compute", {.ordered = true});
    auto adder = std::async(std::launch::async, [&] {
        for (const Small& payload : payloads) job.add_packed(PackedSmall(payload));
        job.seal();
    });
    std::uint64_t received = 0;
    while (auto run = job.next_run()) take_small(*run, results, received);
    adder.get();
    expect_complete(job);
    double took = seconds_since(begin);
    for (std::uint64_t index = 0; index < count; index += 997)
        check(results[index] == compute(payloads[index]), "a result is right");
    print_figure("per_second", static_cast<double>(count) / took);
}

/// The threads take chunks by a counter under a mutex and write to their own part of the results.
void pool(std::uint64_t count) {
    constexpr std::uint64_t chunk = 1'000;
    std::function<std::string(std::string_view)> handler = compute_text;
    auto payloads = small_payloads(count);
    std::vector<std::string> results(count);
    std::mutex mutex;
    std::uint64_t next = 0;
    auto take_chunk = [&] {
        std::scoped_lock lock(mutex);
        return std::exchange(next, next + chunk);
    };
    auto begin = Clock::now();
    {
        std::vector<std::jthread> threads;
        for (std::uint32_t slot = 0; slot < slots; ++slot) {
            threads.emplace_back([&] {
                for (std::uint64_t first = take_chunk(); first < count; first = take_chunk()) {
                    for (std::uint64_t i = first; i < std::min(first + chunk, count); ++i)
                        results[i] = handler(bytes_of(payloads[i]));
                }
            });
        }
    }
    double took = seconds_since(begin);
    check(results.back() == bytes_of(compute(payloads.back())), "the last result is right");
    print_figure("per_second", static_cast<double>(count) / took);
}

void run_embedded(const std::string& kind, std::uint64_t count) {
    Embedded fleet({.slots = slots});
    fleet.function("echo", [](std::string_view text) { return text; });
    if (kind == "embedded") return small(fleet.scatterer(), "echo", count);
    jobs(fleet.scatterer(), "echo", count);
}

void run(const std::string& kind, std::uint64_t count) {
    if (kind == "pool") return pool(count);
    if (kind == "embedded-work") return embedded_work(count);
    if (kind.starts_with("embedded")) return run_embedded(kind, count);
    Scatterer scatterer;
    if (kind == "small") return small(scatterer, echo, count);
    if (kind == "kept") return small(scatterer, echo, count, false);
    if (kind == "large") return large(scatterer, count);
    if (kind == "medium")
        return large(scatterer, count, {.bytes = 64 << 10, .window = 16 * large_window});
    if (kind == "job") return jobs(scatterer, echo, count);
    throw std::runtime_error("unknown kind '" + kind +
                             "'; they are listed at the head of its source");
}

}  // namespace
}  // namespace fanfold::bench

int main(int count, char** arguments) {
    try {
        if (count != 3) throw std::runtime_error("usage: fleet_bench KIND COUNT");
        fanfold::bench::run(arguments[1], std::stoull(arguments[2]));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "fleet_bench: %s\n", error.what());
        return 1;
    }
}
