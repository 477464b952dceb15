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

/// Workers of this very process run commands in its own folder anyhow, and functions run where
/// their worker wants.
void choose_folder(JobOptions& job, const MapOptions& map, bool embedded) {
    const bool runs_here = (embedded && map.bind.empty()) || !map.function.empty();
    if (map.place == Place::fresh || (runs_here && map.place != Place::folder)) return;
    job.cwd_else_fresh = map.place == Place::usual;
    job.cwd = (std::filesystem::path(this_folder()) / job.cwd).string();
}
}  // namespace

JobOptions job_options(const MapOptions& map, const Feeder& feeder, Console& console,
                       bool embedded) {
    JobOptions job = map.job;
    choose_folder(job, map, embedded);
    if (!embedded && map.slots && job.max_running == 0) job.max_running = map.slots->number;
    if (job.title.empty()) job.title = feeder.title();
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
