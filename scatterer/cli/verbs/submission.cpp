#include "scatterer/cli/verbs/submission.hpp"

#include <filesystem>
#include <system_error>

#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/base/output.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::scatterer::cli {

std::string function_of(const MapOptions& map) {
    return map.function.empty() ? std::string(wire::command_function) : map.function;
}

namespace {
/// Empty where it has been removed.
std::string this_folder() {
    std::error_code gone;
    return std::filesystem::current_path(gone).string();
}

void choose_folder(JobOptions& job, const MapOptions& map, bool own_workers_alone) {
    switch (map.place) {
        case Place::fresh: return;
        case Place::folder:
            if (const std::string here = this_folder(); !here.empty() && !job.cwd.empty())
                job.cwd = (std::filesystem::path(here) / job.cwd).string();
            return;
        case Place::usual: job.cwd_else_fresh = true; [[fallthrough]];
        case Place::here:
            if (map.function.empty() && !own_workers_alone) job.cwd = this_folder();
            job.cwd_else_fresh = job.cwd_else_fresh && !job.cwd.empty();
    }
}
}  // namespace

JobOptions job_options(const MapOptions& map, const Feeder& feeder, Console& console,
                       bool own_workers_alone) {
    JobOptions job = map.job;
    choose_folder(job, map, own_workers_alone);
    job.title = feeder.title();
    if (!map.quiet) job.on_notice = [&console](const std::string& text) { console.say(text); };
    return job;
}

std::string ways_out(const std::string& id, JobOutcome outcome) {
    return "job " + id + " has ended as " + to_string(outcome) + "; fanfold retry " + id +
           " runs again what failed, fanfold forget " + id + " frees the key";
}

std::string goes_on(const std::string& id) {
    return "job " + id + " goes on; the same command continues it, 'fanfold cancel " + id +
           "' ends it";
}

int dry_run(Feeder& feeder) {
    Output output(1, "standard output");
    feeder.each_command([&](const std::string& command) {
        output.append(command);
        output.append("\n");
        return !output.closed();
    });
    output.flush();
    return exit_good;
}

}  // namespace fanfold::scatterer::cli
