#include "scatterer/cli/options/query_options.hpp"

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/options/common_options.hpp"
#include "scatterer/cli/options/option_values.hpp"

namespace fanfold::scatterer::cli {

namespace {

/// How many jobs the verb takes; all but those that take none want one at least.
std::size_t most_jobs(Verb verb) {
    switch (verb) {
        case Verb::map:
        case Verb::submit:
        case Verb::doctor:
        case Verb::keygen:
        case Verb::backup:
        case Verb::restore:
        case Verb::jobs:
        case Verb::workers:
        case Verb::functions: return 0;
        case Verb::results: return 1;
        case Verb::status:
        case Verb::wait:
        case Verb::cancel:
        case Verb::set:
        case Verb::retry:
        case Verb::forget:
        case Verb::gatherers: break;
    }
    return SIZE_MAX;
}

/// An action, and the gatherers that it is for.
void check_gatherers(QueryOptions& query) {
    if (query.jobs.empty()) {
        if (query.until_drained) throw UsageError("--wait is for drain: drain --wait NAME");
        return;
    }
    const std::string action = query.jobs.front();
    if (action != "drain" && action != "resume")
        throw UsageError("unknown action '" + action + "'; drain NAME and resume NAME there are");
    query.drain = action == "drain";
    query.jobs.erase(query.jobs.begin());
    if (query.jobs.empty()) throw UsageError("a NAME is missing; `fanfold gatherers` lists them");
    if (query.until_drained && action == "resume")
        throw UsageError("--wait is for drain, not for resume");
}

void add_filter(OptionSet& set, JobFilter& filter) {
    using Text = const std::string&;
    auto state = [&filter](Text text) {
        choose("--state", text,
               {"running", "complete", "partial", "expired", "failed", "cancelled"});
        filter.state = text;
    };
    set.value("--state STATE", state,
              "Only those: running, complete, partial, expired, failed, cancelled");
    set.value("--name TEXT", filter.name, "Whose name, or command, has this text in it");
    set.value(
        "--user USER", [&filter](Text text) { filter.user = text; },
        "Of this user, where there are keys");
    set.value(
        "--since D", [&filter](Text text) { filter.since = duration_value("--since", text); },
        "Opened no longer ago: 10m, 1h, 2d");
    set.value(
        "--limit N",
        [&filter](Text text) { filter.limit = number_value("--limit", text, {.least = 1}); },
        "So many, the latest");
}

}  // namespace

void add_query(OptionSet& set, Verb verb, QueryOptions& query) {
    bool prints_results = verb == Verb::results;
    add_output(set, prints_results ? "text" : "table", query.output);
    if (prints_results) {
        set.flag("-k,--keep-order", query.ordered, "In the order of the inputs; else as completed");
        set.flag("--failed", query.failed_only, "Only what failed, and why");
        set.flag("--now", query.now, "Only what is there; does not wait for a running job");
    }
    if (verb == Verb::jobs) add_filter(set, query.filter);
    if (verb == Verb::set)
        add_share(set, [&query](const JobChange& change) {
            if (change.priority) query.change.priority = change.priority;
            if (change.weight) query.change.weight = change.weight;
            if (change.max_running) query.change.max_running = change.max_running;
        });
    if (verb == Verb::cancel)
        set.value(
            "--fragments LIST",
            [&query](const std::string& text) {
                query.fragments = fragments_value("--fragments", text);
            },
            "Only these, such as 3,5-9; the job goes on without them");
    if (verb == Verb::gatherers)
        set.flag("--wait", query.until_drained, "With drain: until they have no jobs any more");
    if (prints_results || verb == Verb::wait || verb == Verb::cancel || verb == Verb::gatherers)
        set.flag("--quiet", query.quiet, "No lines about fragments or outcomes");
}

void check_query(Verb verb, QueryOptions& query) {
    if (verb == Verb::gatherers) return check_gatherers(query);
    if (verb == Verb::results && query.jobs.size() == 2) {
        query.fragments = fragments_value("fragments", query.jobs[1]);
        query.jobs.pop_back();
    }
    std::size_t most = most_jobs(verb);
    if (verb == Verb::set && !query.change.priority && !query.change.weight &&
        !query.change.max_running)
        throw UsageError("nothing to set: give --priority, --weight or --max-running");
    if (query.jobs.size() > most) throw UsageError("unexpected '" + query.jobs[most] + "'");
    if (most > 0 && query.jobs.empty())
        throw UsageError("a JOB is missing: `last`, or the beginning or end of an id");
    for (const std::string& job : query.jobs)
        if (job.empty())
            throw UsageError("JOB '' is empty: give `last`, or the beginning or end of an id");
}

}  // namespace fanfold::scatterer::cli
