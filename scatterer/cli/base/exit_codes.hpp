// The program's exit codes, and the one line that tells how a job ended. Pure functions, any
// thread.
#pragma once

#include <cstdint>
#include <string>

#include "fanfold/scatterer.hpp"

namespace fanfold::scatterer::cli {

inline constexpr int exit_good = 0;
inline constexpr int exit_many = 101;         // more than 100 fragments without a good result
inline constexpr int exit_error = 255;        // something is wrong with the call or the system
inline constexpr int exit_signal_base = 128;  // + the signal: 130 after Ctrl-C

/// The number of fragments without a good result. Of a job that was never sealed only those are
/// known that the outcome lists.
std::uint64_t without_value(const JobEnd& end);
std::uint64_t without_value(const JobStatus& status);

/// 0 for complete (and for a job that still runs); else the number of fragments without a good
/// result, 101 for more than 100, and 255 where there are none of them but the job did not end
/// well.
int exit_code(JobOutcome outcome, std::uint64_t missing);

/// The exit code for several jobs: an error wins, then the numbers add up, to 101 at most.
int joined_codes(int one, int other);

/// "job 0192… expired: deadline of 3s reached: 3 of 10 missing: timeout: 2; never started: 4,7-9"
std::string describe(const std::string& id, const JobEnd& end);

}  // namespace fanfold::scatterer::cli
