#include "scatterer/cli/verbs/map.hpp"

#include <unistd.h>

#include <thread>

#include "fanfold/embedded.hpp"
#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/output/progress.hpp"
#include "scatterer/cli/verbs/collector.hpp"
#include "scatterer/cli/verbs/feeding_thread.hpp"
#include "scatterer/cli/verbs/fleet.hpp"
#include "scatterer/cli/verbs/submission.hpp"

namespace fanfold::scatterer::cli {

namespace {

/// One `map`: everything that lives while its job does.
class Mapping {
public:
    Mapping(const CommandLine& line, SignalWatch& signals, Console& console)
        : map_(line.map), signals_(signals), console_(console), feeder_(line.map) {
        if (map_.resume && !map_.joblog.empty()) {
            past_.emplace(map_.joblog, map_.resume_failed ? JoblogPast::Done::succeeded
                                                          : JoblogPast::Done::listed);
            feeder_.leave_out(*past_, numbers_);
        }
        if (map_.dry_run) return;
        if (!map_.results_folder.empty()) folder_.emplace(map_.results_folder);
        if (!map_.joblog.empty()) joblog_.emplace(map_.joblog, past_ ? past_->bytes() : 0);
        fleet_.emplace(line.common, line.map, console);
    }

    int run() {
        if (map_.dry_run) return dry_run(feeder_);
        JobOptions options = job_options(map_, feeder_, console_, fleet_->embedded());
        Job job = fleet_->scatterer().open(function_of(map_), std::move(options));
        if (map_.resume && has_key() && !job.existed())
            throw SystemError("no job has the key '" + map_.job.key +
                              "': nothing to resume; without --resume it is submitted");
        signals_.on_signal(
            [this, &job] {
                interrupted_ = true;
                if (has_key()) job.leave();
                else job.cancel("interrupted");
            },
            fleet_->embedded() ? "the job did not end in time; its commands are killed"
                               : "the broker did not say in time how the job ended; see 'fanfold "
                                 "status " +
                                     job.id() + "'");
        signals_.on_pause([this](bool pauses) {
            if (pauses) console_.clear();
            if (!fleet_->embedded()) return;
            if (pauses) Embedded::pause_commands();
            else Embedded::resume_commands();
        });
        struct Quiet {  // the handler must not outlive the job
            SignalWatch& signals;
            ~Quiet() { signals.ignore(); }
        } quiet{signals_};
        return run(job);
    }

private:
    int run(Job& job) {
        Output output("standard output",
                      [this](std::string_view bytes) { return console_.pass_to(1, bytes); });
        Printer printer({.commands = map_.function.empty(),
                         .json = map_.output == Format::json,
                         .quiet = map_.quiet,
                         .show_command = map_.show_command},
                        output, console_);
        Collector collector({.commands = map_.function.empty(),
                             .tag = map_.tag,
                             .book = book(),
                             .numbers = past_ ? &numbers_ : nullptr,
                             .joblog = joblog_ ? &*joblog_ : nullptr,
                             .folder = folder_ ? &*folder_ : nullptr},
                            printer, output);
        std::optional<Progress> progress;
        if (!map_.quiet && map_.progress.value_or(::isatty(2) != 0))
            progress.emplace(console_, running_of(job));
        FeedingThread feeding(feeder_, job, book());
        await_agreement(job, feeding);
        std::optional<std::chrono::steady_clock::time_point> give_up;
        auto enough = [&] {
            if (progress) progress->tick(progress_of(collector.counts()));
            if (has_key()) return interrupted_ || output.closed() || feeding.input_failed();
            if (give_up) return std::chrono::steady_clock::now() >= *give_up;
            if (!output.closed() && !feeding.input_failed()) return false;
            job.cancel(output.closed() ? "its output is wanted no more" : "its input failed");
            give_up = std::chrono::steady_clock::now() + limits::cancel_wait;
            return false;
        };
        if (!enough()) collector.collect(job, enough);
        progress.reset();
        bool leaves = has_key() && !job.ended();
        if (leaves) job.leave();
        feeding.finish();
        if (feeding.input_failed()) throw SystemError(feeding.why());
        if (leaves && (interrupted_ || output.closed())) return leave(job);
        if (output.closed()) return exit_good;
        return conclude(job);
    }

    /// Nothing of a job that was found by its key is printed before the inputs are known to be its
    /// own.
    void await_agreement(const Job& job, const FeedingThread& feeding) {
        while (!job.inputs_agree() && !feeding.over() && !interrupted_)
            std::this_thread::sleep_for(limits::agreement_wait);
    }

    int leave(const Job& job) {
        int signal = signals_.caught();
        if (!map_.quiet || signal != 0)
            console_.say((signal != 0 ? "interrupted: " : "standard output was closed: ") +
                         goes_on(job.id()));
        return signal != 0 ? exit_signal_base + signal : exit_good;
    }

    int conclude(Job& job) {
        JobEnd end = job.wait();
        if (int signal = signals_.caught()) {
            console_.say("interrupted: job " + job.id() + ' ' + to_string(end.outcome));
            return exit_signal_base + signal;
        }
        for (MissingFragments& missing : end.missing)
            if (past_) missing.ranges = numbers_.inputs_of(missing.ranges);
        if (end.outcome != JobOutcome::complete && !map_.quiet) {
            console_.say(describe(job.id(), end));
            if (has_key()) console_.say(ways_out(job.id(), end.outcome));
        }
        return exit_code(end.outcome, without_value(end));
    }

    /// Inputs are remembered only where something will show them: memory must not grow with them
    /// otherwise.
    InputBook* book() {
        bool for_errors = map_.function.empty() && !map_.quiet && map_.output == Format::text;
        const bool shown = map_.tag || map_.show_command != ShowCommand::no;
        return shown || joblog_ || folder_ || for_errors ? &book_ : nullptr;
    }

    ProgressCounts progress_of(const Collector::Counts& counts) const {
        return {.done = counts.values,
                .failed = counts.failures,
                .running = {},
                .total = feeder_.total(),
                .rate = 0,
                .seconds_left = {},
                .run_times = counts.run_times};
    }

    std::function<std::uint64_t()> running_of(const Job& job) {
        return [&scatterer = fleet_->scatterer(), id = job.id()] {
            auto jobs = scatterer.jobs(id);
            return jobs.empty() ? 0 : jobs[0].running;
        };
    }

    bool has_key() const { return !map_.job.key.empty(); }

    const MapOptions& map_;
    SignalWatch& signals_;
    Console& console_;
    Feeder feeder_;
    InputBook book_;
    Numbering numbers_;
    std::optional<JoblogPast> past_;
    std::atomic<bool> interrupted_{false};
    std::optional<ResultsFolder> folder_;
    std::optional<Joblog> joblog_;
    std::optional<Fleet> fleet_;
};

}  // namespace

int run_map(const CommandLine& line, SignalWatch& signals, Console& console) {
    return Mapping(line, signals, console).run();
}

}  // namespace fanfold::scatterer::cli
