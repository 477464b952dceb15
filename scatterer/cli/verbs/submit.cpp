#include "scatterer/cli/verbs/submit.hpp"

#include <exception>

#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/base/output.hpp"
#include "scatterer/cli/verbs/fleet.hpp"
#include "scatterer/cli/verbs/submission.hpp"

namespace fanfold::scatterer::cli {

int run_submit(const CommandLine& line, SignalWatch& signals, Console& console) {
    Feeder feeder(line.map);
    if (line.map.dry_run) return dry_run(feeder);
    Fleet fleet(line.common, console, line.map.quiet);
    JobOptions options = job_options(line.map, feeder, console, false);
    options.attached = false;
    bool has_key = !options.key.empty();
    Job job = fleet.scatterer().open(function_of(line.map), std::move(options));
    signals.on_signal(
        [&] {
            feeder.stop();
            if (has_key) job.leave();
            else job.cancel("interrupted before all of it was submitted");
        },
        has_key ? goes_on(job.id())
                : "the broker did not say in time that job " + job.id() +
                      " is cancelled; it is, once this client has been gone for 10 s");
    try {
        feeder.run(job, nullptr);
        if (signals.caught() == 0) job.wait_accepted();
    } catch (const JobOver& over) {  // by its policy, for one: it was accepted, and needs no more
        if (!line.map.quiet) console.say(over.what());
    } catch (const std::exception&) {
        signals.ignore();
        if (signals.caught() == 0) {
            if (!has_key) job.cancel("its submission failed");
            throw;
        }
    }
    signals.ignore();
    if (int signal = signals.caught()) {
        if (!has_key) (void)job.wait_for(limits::cancel_wait);
        console.say("interrupted: " +
                    (has_key ? goes_on(job.id()) : "job " + job.id() + " cancelled"));
        return exit_signal_base + signal;
    }
    bool ended_badly =
        job.outcome_before() != JobOutcome::running && job.outcome_before() != JobOutcome::complete;
    if (ended_badly && !line.map.quiet) console.say(ways_out(job.id(), job.outcome_before()));
    Output output(1, "standard output");
    output.append(job.id() + '\n');
    output.flush();
    return exit_good;
}

}  // namespace fanfold::scatterer::cli
