// What the fleet says of itself, as tables or as JSON lines. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fanfold/scatterer.hpp"
#include "scatterer/cli/output/format.hpp"

namespace fanfold::scatterer::cli {

/// How a list is shown.
struct Shown {
    // NOLINTNEXTLINE(google-explicit-constructor): a format alone has no width
    Shown(Format as, std::size_t most = SIZE_MAX) : format(as), columns(most) {}
    Format format;
    std::size_t columns;  // a table's lines are no longer, if cutting helps
};

std::string jobs_report(const std::vector<JobStatus>& jobs, Shown shown);
std::string status_report(const JobStatus& job, Format format);
/// How a job is served among others.
std::string share_text(const JobStatus& job);
std::string retry_report(const std::string& id, const JobRetry& retry, Format format);
/// So many of the fragments that were to be cancelled have no value.
std::string cancelled_report(const std::string& id, std::uint64_t fragments, Format format);
std::string forget_report(const std::string& id, Format format);
std::string workers_report(const std::vector<WorkerStatus>& workers, Shown shown);
std::string gatherers_report(const std::vector<GathererStatus>& gatherers, Shown shown);
/// A function once, with the workers that offer it and their slots.
std::string functions_report(const std::vector<WorkerStatus>& workers, Shown shown);

}  // namespace fanfold::scatterer::cli
