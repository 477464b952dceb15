// What a job is part of that a handler opens. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fanfold {

/// One attempt of a fragment.
struct FragmentAttempt {
    std::string job = {};  // its correlation ID
    std::uint64_t index = 0;
    std::uint32_t attempt = 1;
};

/// The attempt whose handler opens a job comes last, before it the one whose handler has opened
/// that attempt's job, and so on. Made from a Context; empty for a job that is part of nothing.
struct Parent {
    std::vector<FragmentAttempt> attempts = {};
};

}  // namespace fanfold
