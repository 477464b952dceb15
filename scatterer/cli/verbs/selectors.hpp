// Which jobs the words of a command line name. One thread.
#pragma once

#include <string>
#include <vector>

#include "fanfold/scatterer.hpp"

namespace fanfold::scatterer::cli {

/// The one job of a unique beginning or end of an id, of `last`, of `last:N` (the N-th from the
/// end), or of a name that a job was given, or that is its command. Throws SystemError for none and
/// for several.
JobStatus the_job(Scatterer& scatterer, const std::string& selector);

/// All of them are known before anything is done to the first.
std::vector<JobStatus> the_jobs(Scatterer& scatterer, const std::vector<std::string>& selectors);

}  // namespace fanfold::scatterer::cli
