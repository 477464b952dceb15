#include "scatterer/cli/verbs/queries.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/output/reports.hpp"
#include "scatterer/cli/verbs/collector.hpp"
#include "scatterer/cli/verbs/fleet.hpp"
#include "scatterer/cli/verbs/selectors.hpp"
#include "shared/base/range_set.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::scatterer::cli {

namespace {
using Say = std::function<void(const std::string&)>;
constexpr auto drained_again = std::chrono::milliseconds(200);  // between two looks

/// A table on a terminal is no wider than that.
Shown shown_as(Format format) {
    return {format, ::isatty(1) != 0 ? terminal_columns(1) : SIZE_MAX};
}

/// Those that are asked for; of them the latest, if there is a limit.
std::vector<JobStatus> chosen(std::vector<JobStatus> jobs, const JobFilter& filter) {
    std::erase_if(jobs, [&](const JobStatus& job) {
        return (!filter.state.empty() && filter.state != to_string(job.outcome)) ||
               job.title.find(filter.name) == std::string::npos ||
               (filter.user && job.user != *filter.user) ||
               (filter.since && job.age > *filter.since);
    });
    const std::size_t most = filter.limit.value_or(jobs.size());
    if (jobs.size() > most)
        jobs.erase(jobs.begin(), jobs.end() - static_cast<std::ptrdiff_t>(most));
    return jobs;
}

void print(const std::string& text) {
    Output output(1, "standard output");
    output.append(text);
    output.flush();
}

int wait(Scatterer& scatterer, const QueryOptions& query, Console& console) {
    std::vector<JobStatus> jobs = the_jobs(scatterer, query.jobs);
    int code = exit_good;
    for (JobStatus& job : jobs) {
        job = scatterer.wait(job.id);
        if (query.output == Format::json) print(status_report(job, Format::json));
        JobEnd end{.outcome = job.outcome,
                   .reason = job.reason,
                   .total = job.total.value_or(0),
                   .values = job.values,
                   .failures = job.failed,
                   .late = 0,
                   .missing = {}};
        if (job.outcome != JobOutcome::complete && !query.quiet) console.say(describe(job.id, end));
        code = joined_codes(code, exit_code(job.outcome, without_value(job)));
    }
    return code;
}

int results(Scatterer& scatterer, const QueryOptions& query, Console& console) {
    JobStatus status = the_job(scatterer, query.jobs[0]);
    bool commands = status.function == wire::command_function;
    Output output(1, "standard output");
    Printer printer(
        {.commands = commands, .json = query.output == Format::json, .quiet = query.quiet}, output,
        console);
    const bool all = query.fragments.empty() && !query.failed_only;
    Collector collector({.commands = commands,
                         .only = query.fragments.empty() ? nullptr : &query.fragments,
                         .failures_only = query.failed_only},
                        printer, output);
    Job job = scatterer.results(status.id, query.ordered, query.now);
    collector.collect(job, [&] { return output.closed(); });
    if (output.closed()) return exit_good;
    JobEnd end = job.wait();
    if (all && end.outcome != JobOutcome::running && end.values > 0 &&
        collector.counts().values == 0)
        throw SystemError("job " + status.id + " has ended " + to_string(end.outcome) +
                          ", and its results are gone: they went to the map that ran it; fanfold "
                          "submit, or a --job-key, keeps them");
    if (end.outcome == JobOutcome::running && !query.quiet)
        console.say("job " + status.id + " still runs; these are the results so far");
    else if (all && end.outcome != JobOutcome::complete && !query.quiet)
        console.say(describe(status.id, end));
    if (!query.fragments.empty()) {
        RangeSet wanted;
        for (const auto& [begin, after] : query.fragments) wanted.add({begin, after});
        const std::uint64_t missing = wanted.size() - collector.counts().values;
        return exit_code(missing == 0 ? JobOutcome::complete : JobOutcome::partial, missing);
    }
    return exit_code(end.outcome, without_value(end));
}

int cancel(Scatterer& scatterer, const QueryOptions& query) {
    for (const JobStatus& job : the_jobs(scatterer, query.jobs)) {
        if (!query.fragments.empty()) {
            print(cancelled_report(job.id, scatterer.cancel_fragments(job.id, query.fragments),
                                   query.output));
            continue;
        }
        JobStatus before = scatterer.cancel(job.id);
        if (query.output == Format::json) print(status_report(before, Format::json));
        else if (before.outcome == JobOutcome::running) print(job.id + " cancelled\n");
        else print(job.id + " had ended: " + to_string(before.outcome) + '\n');
    }
    return exit_good;
}

int set(Scatterer& scatterer, const QueryOptions& query) {
    for (const JobStatus& job : the_jobs(scatterer, query.jobs)) {
        JobStatus now = scatterer.change(job.id, query.change);
        print(query.output == Format::json ? status_report(now, Format::json)
                                           : now.id + ": " + share_text(now) + '\n');
    }
    return exit_good;
}

int retry(Scatterer& scatterer, const QueryOptions& query) {
    for (const JobStatus& job : the_jobs(scatterer, query.jobs))
        print(retry_report(job.id, scatterer.retry(job.id), query.output));
    return exit_good;
}

int forget(Scatterer& scatterer, const QueryOptions& query) {
    for (const JobStatus& job : the_jobs(scatterer, query.jobs)) {
        scatterer.forget(job.id);
        print(forget_report(job.id, query.output));
    }
    return exit_good;
}

/// Until it has none of the jobs that others could ask for.
void await_drained(Scatterer& scatterer, const std::string& name, const Say& say) {
    for (std::string told;; std::this_thread::sleep_for(drained_again)) {
        const std::vector<GathererStatus> all = scatterer.gatherers();
        const auto found = std::ranges::find(all, name, &GathererStatus::name);
        if (found == all.end())
            throw SystemError("gatherer " + name +
                              " is gone, perhaps with jobs; start it again, and drain it again");
        if (found->running + found->ended == 0) return;
        if (!found->draining) scatterer.drain(name);  // it was started again
        if (!found->trouble.empty() && std::exchange(told, found->trouble) != found->trouble)
            say(name + ": " + found->trouble);
    }
}

int gatherers(Scatterer& scatterer, const QueryOptions& query, Console& console) {
    if (query.drain)
        for (const std::string& name : query.jobs) scatterer.drain(name, !*query.drain);
    if (query.until_drained)
        for (const std::string& name : query.jobs)
            await_drained(scatterer, name, [&](const std::string& text) {
                if (!query.quiet) console.say(text);
            });
    if (!query.drain || query.output == Format::json)
        print(gatherers_report(scatterer.gatherers(), shown_as(query.output)));
    return exit_good;
}

}  // namespace

int run_query(const CommandLine& line, Console& console) {
    const QueryOptions& query = line.query;
    const Shown shown = shown_as(query.output);
    Fleet fleet(line.common, console, query.quiet);
    Scatterer& scatterer = fleet.scatterer();
    switch (line.verb) {
        case Verb::map:
        case Verb::submit:
        case Verb::doctor:
        case Verb::keygen:
        case Verb::backup:
        case Verb::restore: break;  // not queries
        case Verb::jobs: print(jobs_report(chosen(scatterer.jobs(), query.filter), shown)); break;
        case Verb::status:
            for (const JobStatus& job : the_jobs(scatterer, query.jobs))
                print(status_report(job, query.output));
            break;
        case Verb::wait: return wait(scatterer, query, console);
        case Verb::results: return results(scatterer, query, console);
        case Verb::cancel: return cancel(scatterer, query);
        case Verb::set: return set(scatterer, query);
        case Verb::retry: return retry(scatterer, query);
        case Verb::forget: return forget(scatterer, query);
        case Verb::workers: print(workers_report(scatterer.workers(), shown)); break;
        case Verb::gatherers: return gatherers(scatterer, query, console);
        case Verb::functions: print(functions_report(scatterer.workers(), shown)); break;
    }
    return exit_good;
}

}  // namespace fanfold::scatterer::cli
