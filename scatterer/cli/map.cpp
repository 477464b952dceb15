#include "scatterer/cli/map.hpp"

#include <unistd.h>

#include <exception>
#include <filesystem>
#include <thread>

#include "scatterer/cli/collector.hpp"
#include "scatterer/cli/exit_codes.hpp"
#include "scatterer/cli/feeder.hpp"
#include "scatterer/cli/fleet.hpp"
#include "scatterer/cli/progress.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr auto patience_with_cancel = std::chrono::seconds(5);  // until a cancelled job has ended

/// Feeds on a thread of its own, which ends with this object.
class FeedingThread {
public:
    FeedingThread(Feeder& feeder, Job& job, InputBook* book) : feeder_(feeder), thread_([this, &job, book] { run(job, book); }) {}
    ~FeedingThread() { finish(); }
    FeedingThread(const FeedingThread&) = delete;
    FeedingThread& operator=(const FeedingThread&) = delete;

    void finish() {
        if (!thread_.joinable()) return;
        feeder_.stop();
        thread_.join();
    }
    /// The input could not be read or understood.
    bool input_failed() const { return input_failed_; }
    /// After finish(): what went wrong with the input.
    const std::string& why() const { return why_; }

private:
    void run(Job& job, InputBook* book) {
        try {
            feeder_.run(job, book);
        } catch (const FanfoldError&) {
            // The job takes no more: it has ended or was refused. Whoever collects is told how.
        } catch (const std::exception& error) {
            why_ = error.what();
            input_failed_ = true;
        }
    }

    Feeder& feeder_;
    std::string why_;
    std::atomic<bool> input_failed_{false};
    std::thread thread_;
};

JobOptions job_options(const MapOptions& map, const Feeder& feeder, Console& console, bool embedded) {
    JobOptions job = map.job;
    job.title = feeder.title();
    // A folder of this host: relative to where the user is. A remote worker's is its own business.
    if (embedded && !job.cwd.empty()) job.cwd = std::filesystem::absolute(job.cwd).string();
    if (!map.quiet) job.on_notice = [&console](const std::string& text) { console.say(text); };
    return job;
}

std::string function_of(const MapOptions& map) { return map.function.empty() ? "fanfold.exec" : map.function; }

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
        if (!map_.results_folder.empty()) folder_.emplace(map_.results_folder);
        if (!map_.joblog.empty()) joblog_.emplace(map_.joblog);
        if (!map_.dry_run) fleet_.emplace(line.common, line.map, console);
    }

    int run() {
        if (map_.dry_run) return dry_run(feeder_);
        Job job = fleet_->scatterer().open(function_of(map_), job_options(map_, feeder_, console_, fleet_->embedded()));
        signals_.on_signal([&job] { job.cancel("interrupted"); });
        struct Quiet {  // the handler must not outlive the job
            SignalWatch& signals;
            ~Quiet() { signals.ignore(); }
        } quiet{signals_};
        return run(job);
    }

private:
    int run(Job& job) {
        Output output(1, "standard output", [this] { console_.clear(); });
        Printer printer({.commands = map_.function.empty(), .json = map_.output == Format::json, .quiet = map_.quiet}, output, console_);
        Collector collector({.commands = map_.function.empty(),
                             .tag = map_.tag,
                             .book = book(),
                             .joblog = joblog_ ? &*joblog_ : nullptr,
                             .folder = folder_ ? &*folder_ : nullptr},
                            printer, output);
        std::optional<Progress> progress;
        if (!map_.quiet && map_.progress.value_or(::isatty(2) != 0)) progress.emplace(console_, running_of(job));
        FeedingThread feeding(feeder_, job, book());
        std::optional<std::chrono::steady_clock::time_point> give_up;
        collector.collect(job, [&] {
            if (progress) tick(*progress, collector.counts());
            if (give_up) return std::chrono::steady_clock::now() >= *give_up;
            if (!output.closed() && !feeding.input_failed()) return false;
            job.cancel(output.closed() ? "its output is wanted no more" : "its input failed");
            give_up = std::chrono::steady_clock::now() + patience_with_cancel;
            return false;
        });
        progress.reset();
        feeding.finish();
        if (feeding.input_failed()) throw SystemError(feeding.why());
        if (output.closed()) return exit_good;
        return conclude(job);
    }

    int conclude(Job& job) {
        JobEnd end = job.wait();
        if (int signal = signals_.caught()) {
            console_.say("interrupted: job " + job.id() + ' ' + to_string(end.outcome));
            return exit_signal_base + signal;
        }
        if (end.outcome != JobOutcome::complete && !map_.quiet) console_.say(describe(job.id(), end));
        return exit_code(end.outcome, without_value(end));
    }

    /// Inputs are remembered only where something will show them: memory must not grow with them otherwise.
    InputBook* book() {
        bool for_errors = map_.function.empty() && !map_.quiet && map_.output == Format::text;
        return map_.tag || joblog_ || folder_ || for_errors ? &book_ : nullptr;
    }

    void tick(Progress& progress, const Collector::Counts& counts) {
        progress.tick({.done = counts.values, .failed = counts.failures, .running = {}, .total = feeder_.total(), .rate = 0});
    }

    std::function<std::uint64_t()> running_of(const Job& job) {
        return [&scatterer = fleet_->scatterer(), id = job.id()] {
            auto jobs = scatterer.jobs(id);
            return jobs.empty() ? 0 : jobs[0].running;
        };
    }

    const MapOptions& map_;
    SignalWatch& signals_;
    Console& console_;
    Feeder feeder_;
    InputBook book_;
    std::optional<ResultsFolder> folder_;
    std::optional<Joblog> joblog_;
    std::optional<Fleet> fleet_;
};

}  // namespace

int run_map(const CommandLine& line, SignalWatch& signals, Console& console) { return Mapping(line, signals, console).run(); }

int run_submit(const CommandLine& line, SignalWatch& signals, Console& console) {
    Feeder feeder(line.map);
    if (line.map.dry_run) return dry_run(feeder);
    Fleet fleet(line.common);
    JobOptions options = job_options(line.map, feeder, console, false);
    options.attached = false;
    Job job = fleet.scatterer().open(function_of(line.map), std::move(options));
    signals.on_signal([&] {
        feeder.stop();
        job.cancel("interrupted before all of it was submitted");
    });
    try {
        feeder.run(job, nullptr);
        if (signals.caught() == 0) job.wait_accepted();
    } catch (const std::exception&) {
        signals.ignore();
        if (signals.caught() == 0) {
            job.cancel("its submission failed");
            throw;
        }
    }
    signals.ignore();
    if (int signal = signals.caught()) {
        (void)job.wait_for(patience_with_cancel);
        console.say("interrupted: job " + job.id() + " cancelled");
        return exit_signal_base + signal;
    }
    Output output(1, "standard output");
    output.append(job.id() + '\n');
    output.flush();
    return exit_good;
}

}  // namespace fanfold::scatterer::cli
