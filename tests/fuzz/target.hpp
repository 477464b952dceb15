// What a fuzzer's file defines, once: FANFOLD_FUZZ_TARGET(NAME) { … data, size … }. The same files
// are linked with libFuzzer, one by one (libfuzzer_main.cpp), and all together into a program that
// only replays inputs, with any compiler (replay_main.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fanfold::fuzz {

struct Target {
    std::string name;
    void (*run)(const std::uint8_t* data, std::size_t size);
};

/// Those that are linked with this program.
inline std::vector<Target>& targets() {
    static std::vector<Target> all;
    return all;
}

struct Registration {
    explicit Registration(Target target) { targets().push_back(std::move(target)); }
};

}  // namespace fanfold::fuzz

#define FANFOLD_FUZZ_TARGET(name)                                                       \
    static void name##_fuzz(const std::uint8_t* data, std::size_t size);                \
    static const fanfold::fuzz::Registration name##_registration({#name, name##_fuzz}); \
    static void name##_fuzz([[maybe_unused]] const std::uint8_t* data,                  \
                            [[maybe_unused]] std::size_t size)
