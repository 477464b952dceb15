#include "scatterer/cli/verbs/selectors.hpp"

#include <algorithm>
#include <charconv>

#include "scatterer/cli/base/errors.hpp"

namespace fanfold::scatterer::cli {

namespace {

/// N of last:N, from 1; 0: it is none.
std::uint64_t place_from_end(const std::string& selector) {
    constexpr std::string_view prefix = "last:";
    if (!selector.starts_with(prefix)) return 0;
    std::uint64_t place = 0;
    const char* end = selector.data() + selector.size();
    auto [rest, error] = std::from_chars(selector.data() + prefix.size(), end, place);
    return error == std::errc() && rest == end ? place : 0;
}

/// Those of an id come first, so that no name can hide a job.
std::vector<JobStatus> named(Scatterer& scatterer, const std::string& selector) {
    const std::uint64_t place = place_from_end(selector);
    std::vector<JobStatus> jobs = place > 0 ? std::vector<JobStatus>{} : scatterer.jobs(selector);
    if (!jobs.empty() || selector == "last") return jobs;
    jobs = scatterer.jobs();  // the latest last
    if (place > jobs.size()) return {};
    if (place > 0) return {jobs[jobs.size() - place]};
    std::erase_if(jobs, [&](const JobStatus& job) { return job.title != selector; });
    return jobs;
}

}  // namespace

JobStatus the_job(Scatterer& scatterer, const std::string& selector) {
    const std::vector<JobStatus> jobs = named(scatterer, selector);
    if (jobs.size() == 1) return jobs[0];
    if (jobs.empty() && selector == "last")
        throw SystemError("there is no last job: the broker knows none");
    if (jobs.empty())
        throw SystemError("unknown job '" + selector +
                          "'; `fanfold jobs` lists those that the broker knows");
    std::string names;
    for (std::size_t i = 0; i < jobs.size() && i < 3; ++i)
        names += (i > 0 ? ", " : "") + jobs[i].id;
    if (jobs.size() > 3) names += ", …";
    throw SystemError("'" + selector + "' names " + std::to_string(jobs.size()) + " jobs (" +
                      names + "); give more of the id");
}

std::vector<JobStatus> the_jobs(Scatterer& scatterer, const std::vector<std::string>& selectors) {
    std::vector<JobStatus> jobs;
    jobs.reserve(selectors.size());
    for (const std::string& selector : selectors) jobs.push_back(the_job(scatterer, selector));
    return jobs;
}

}  // namespace fanfold::scatterer::cli
