// What a disk's refusal means for people, and what they can do about it. Pure, any thread.
#pragma once

#include <string>

namespace fanfold {

/// Why a commit was not done: SQLite's result, and the system's error of that moment (0: none is
/// known).
struct Refusal {
    int result = 0;
    int system_error = 0;
};

/// "database or disk is full; make room on that disk".
std::string words_of(const Refusal& refusal);

}  // namespace fanfold
