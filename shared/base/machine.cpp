#include "shared/base/machine.hpp"

#include <malloc.h>
#include <unistd.h>

#include <array>
#include <random>

namespace fanfold {

namespace {
std::random_device& device() {
    static thread_local std::random_device source;
    return source;
}

/// Fills up to `size` with random letters and digits.
std::string fill(std::string text, std::size_t size) {
    constexpr char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::uniform_int_distribution<std::size_t> pick(0, sizeof letters - 2);
    while (text.size() < size) text += letters[pick(device())];
    return text;
}
}  // namespace

std::string host_name() {
    std::array<char, 256> host{};
    if (gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') return "?";
    return host.data();
}

std::string random_suffix() { return fill("-", 7); }

std::string process_name() {
    return host_name() + "-" + std::to_string(getpid()) + random_suffix();
}

std::uint64_t random_number() { return std::uint64_t{device()()} << 32 | device()(); }

PeerId random_peer_id(char kind) { return {fill(std::string(1, kind), 12)}; }

std::chrono::microseconds microseconds_since_1970() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
}

void tune_heap() {
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

void share_one_heap() { mallopt(M_ARENA_MAX, 1); }

}  // namespace fanfold
