// What the fleet says of itself, as tables or as JSON lines. Pure functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "fanfold/scatterer.hpp"
#include "scatterer/cli/output/format.hpp"

namespace fanfold::scatterer::cli {

std::string jobs_report(const std::vector<JobStatus>& jobs, Format format);
std::string status_report(const JobStatus& job, Format format);
/// How a job is served among others.
std::string share_text(const JobStatus& job);
std::string retry_report(const std::string& id, const JobRetry& retry, Format format);
/// So many of the fragments that were to be cancelled have no value.
std::string cancelled_report(const std::string& id, std::uint64_t fragments, Format format);
std::string forget_report(const std::string& id, Format format);
std::string workers_report(const std::vector<WorkerStatus>& workers, Format format);
std::string gatherers_report(const std::vector<GathererStatus>& gatherers, Format format);
/// A function once, with the workers that offer it and their slots.
std::string functions_report(const std::vector<WorkerStatus>& workers, Format format);

}  // namespace fanfold::scatterer::cli
