#include "scatterer/cli/verbs/map.hpp"

#include <unistd.h>

#include <exception>
#include <filesystem>
#include <thread>

#include "scatterer/cli/output/exit_codes.hpp"
#include "scatterer/cli/output/progress.hpp"
#include "scatterer/cli/verbs/collector.hpp"
#include "scatterer/cli/verbs/feeder.hpp"
#include "scatterer/cli/verbs/fleet.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr auto look_again =
    std::chrono::milliseconds(2);  // while the inputs are compared with those of a job
constexpr auto patience_with_cancel = std::chrono::seconds(5);  // until a cancelled job has ended

/// Feeds on a thread of its own, which ends with this object.
class FeedingThread {
public:
    FeedingThread(Feeder& feeder, Job& job, InputBook* book)
        : feeder_(feeder), thread_([this, &job, book] { run(job, book); }) {}
    ~FeedingThread() { finish(); }
    FeedingThread(const FeedingThread&) = delete;
    FeedingThread& operator=(const FeedingThread&) = delete;

    void finish() {
        if (!thread_.joinable()) return;
        feeder_.stop();
        thread_.join();
    }
    /// The input could not be read or understood, or is not that of the job with the key.
    bool input_failed() const { return input_failed_; }
    bool over() const { return over_; }
    /// After finish(): what went wrong with the input.
    const std::string& why() const { return why_; }

private:
    void run(Job& job, InputBook* book) {
        try {
            feeder_.run(job, book);
        } catch (const JobDiffers& error) {
            fail(error.what());
        } catch (const BadFragment& error) {
            fail(error.what());
        } catch (const FanfoldError&) {
            // The job takes no more: it has ended or was refused. Whoever collects is told how.
        } catch (const std::exception& error) {
            fail(error.what());
        }
        over_ = true;
    }
    void fail(const char* why) {
        why_ = why;
        input_failed_ = true;
    }

    Feeder& feeder_;
    std::string why_;
    std::atomic<bool> input_failed_{false};
    std::atomic<bool> over_{false};
    std::thread thread_;
};

JobOptions job_options(const MapOptions& map, const Feeder& feeder, Console& console,
                       bool embedded) {
    JobOptions job = map.job;
    job.title = feeder.title();
    // A folder of this host: relative to where the user is. A remote worker's is its own business.
    if (embedded && !job.cwd.empty()) job.cwd = std::filesystem::absolute(job.cwd).string();
    if (!map.quiet) job.on_notice = [&console](const std::string& text) { console.say(text); };
    return job;
}

/// What a person can do when a job with a key has not ended well; it stays until they do.
std::string ways_out(const std::string& id, JobOutcome outcome) {
    return "job " + id + " has ended as " + to_string(outcome) + "; fanfold retry " + id +
           " runs again what failed, fanfold forget " + id + " frees the key";
}

std::string goes_on(const std::string& id) {
    return "job " + id + " goes on; the same command continues it, 'fanfold cancel " + id +
           "' ends it";
}

std::string function_of(const MapOptions& map) {
    return map.function.empty() ? "fanfold.exec" : map.function;
}

int dry_run(Feeder& feeder) {
    Output output(1, "standard output");
    feeder.each_command([&](const std::string& command) {
        output.append(command);
        output.append("\n");
    });
    output.flush();
    return exit_good;
}

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
        Job job = fleet_->scatterer().open(
            function_of(map_), job_options(map_, feeder_, console_, fleet_->embedded()));
        if (map_.resume && has_key() && !job.existed())
            throw SystemError("no job has the key '" + map_.job.key +
                              "': nothing to resume; without --resume it is submitted");
        signals_.on_signal([this, &job] {
            interrupted_ = true;
            if (has_key()) job.leave();
            else job.cancel("interrupted");
        });
        struct Quiet {  // the handler must not outlive the job
            SignalWatch& signals;
            ~Quiet() { signals.ignore(); }
        } quiet{signals_};
        return run(job);
    }

private:
    int run(Job& job) {
        Output output(1, "standard output", [this] { console_.clear(); });
        Printer printer({.commands = map_.function.empty(),
                         .json = map_.output == Format::json,
                         .quiet = map_.quiet},
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
            if (progress) tick(*progress, collector.counts());
            if (has_key()) return interrupted_ || output.closed() || feeding.input_failed();
            if (give_up) return std::chrono::steady_clock::now() >= *give_up;
            if (!output.closed() && !feeding.input_failed()) return false;
            job.cancel(output.closed() ? "its output is wanted no more" : "its input failed");
            give_up = std::chrono::steady_clock::now() + patience_with_cancel;
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
            std::this_thread::sleep_for(look_again);
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
        return map_.tag || joblog_ || folder_ || for_errors ? &book_ : nullptr;
    }

    void tick(Progress& progress, const Collector::Counts& counts) {
        progress.tick({.done = counts.values,
                       .failed = counts.failures,
                       .running = {},
                       .total = feeder_.total(),
                       .rate = 0});
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

int run_submit(const CommandLine& line, SignalWatch& signals, Console& console) {
    Feeder feeder(line.map);
    if (line.map.dry_run) return dry_run(feeder);
    Fleet fleet(line.common);
    JobOptions options = job_options(line.map, feeder, console, false);
    options.attached = false;
    bool has_key = !options.key.empty();
    Job job = fleet.scatterer().open(function_of(line.map), std::move(options));
    signals.on_signal([&] {
        feeder.stop();
        if (has_key) job.leave();
        else job.cancel("interrupted before all of it was submitted");
    });
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
        if (!has_key) (void)job.wait_for(patience_with_cancel);
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
