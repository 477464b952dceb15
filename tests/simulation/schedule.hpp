// Runs that measure schedules: a fleet without faults, jobs whose fragments take the times that
// they are given. One thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/simulation.hpp"

namespace fanfold::simulation {

struct SchedulePlan {
    std::uint64_t seed = 1;
    std::uint32_t workers = 8;
    std::uint32_t slots = 1;  // of each
    std::uint32_t jobs = 1;
    std::uint64_t fragments = 1;  // of each job
    bool in_sequence = false;  // each job is opened when the one before has ended; else all at once
    wire::Hedging hedging = wire::Hedging::never;
    Duration longest{};  // of all that there is to do: a run that takes longer hangs
    std::function<Duration(std::uint32_t job, RunOf run)> time;  // jobs are numbered from 0
};

/// Runs it. What the checker complains of is printed, and ends the program.
RunReport run_schedule(const SchedulePlan& plan);

inline double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// Two figures that are compared; `name` is for those who read many runs, `what` for people.
struct Comparison {
    std::string name;
    std::string what;
    double measured = 0;
    double reference = 0;
    double most = 0;  // times the reference
};

/// With `--figures`, the program prints lines of `name,value` alone.
void read_arguments(int count, char** arguments);
/// Prints it; returns whether it holds.
bool compare(const Comparison& comparison);

}  // namespace fanfold::simulation
