// What the verbs map and submit have in common: the job that is opened, and what is said of it. One
// thread.
#pragma once

#include <string>

#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/verbs/feeder.hpp"

namespace fanfold::scatterer::cli {

/// The name of the function that runs the fragments.
std::string function_of(const MapOptions& map);
/// The job's options. Its notices go to the console, which must outlive the job.
JobOptions job_options(const MapOptions& map, const Feeder& feeder, Console& console,
                       bool embedded);

/// What a person can do when a job with a key has not ended well; the job stays until they do.
std::string ways_out(const std::string& id, JobOutcome outcome);
/// That a job with a key outlives the client that was interrupted, and how it is ended.
std::string goes_on(const std::string& id);

/// Prints the command lines; returns the exit code.
int dry_run(Feeder& feeder);

}  // namespace fanfold::scatterer::cli
