#include "scatterer/api/conversion.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "shared/base/limits.hpp"
#include "shared/base/same_folder.hpp"
#include "shared/wire/fields.hpp"

namespace fanfold {

const char* to_string(FragmentOutcome outcome) {
    switch (outcome) {
        case FragmentOutcome::value: return "value";
        case FragmentOutcome::failed: return "failed";
        case FragmentOutcome::timeout: return "timeout";
        case FragmentOutcome::crashed: return "crashed";
        case FragmentOutcome::cancelled: return "cancelled";
    }
    return "?";
}

const char* to_string(JobOutcome outcome) {
    switch (outcome) {
        case JobOutcome::running: return "running";
        case JobOutcome::complete: return "complete";
        case JobOutcome::partial: return "partial";
        case JobOutcome::expired: return "expired";
        case JobOutcome::failed: return "failed";
        case JobOutcome::cancelled: return "cancelled";
    }
    return "?";
}

}  // namespace fanfold

namespace fanfold::scatterer {

namespace {
std::chrono::microseconds microseconds(wire::Microseconds value) {
    return std::chrono::microseconds(value.count());
}
std::chrono::milliseconds milliseconds(wire::Milliseconds value) {
    return std::chrono::milliseconds(value.count());
}

wire::GatherPolicy policy_of(Gather gather) {
    switch (gather) {
        case Gather::all: return wire::GatherPolicy::all;
        case Gather::quorum: return wire::GatherPolicy::quorum;
        case Gather::first: return wire::GatherPolicy::first;
        case Gather::available: return wire::GatherPolicy::available;
    }
    return wire::GatherPolicy::all;
}

wire::Hedging hedging_of(Hedge hedge) {
    switch (hedge) {
        case Hedge::by_function: return wire::Hedging::by_function;
        case Hedge::never: return wire::Hedging::never;
        case Hedge::automatic: return wire::Hedging::automatic;
        case Hedge::after: return wire::Hedging::after;
    }
    return wire::Hedging::by_function;
}

wire::Rerun rerun_of(Rerun rerun) {
    switch (rerun) {
        case Rerun::automatic: return wire::Rerun::automatic;
        case Rerun::after: return wire::Rerun::after;
        case Rerun::never: return wire::Rerun::never;
    }
    return wire::Rerun::automatic;
}

/// What a job asks of a worker: names that are there, once each, and not too many.
void check_names(const std::string& what, std::vector<std::string> names) {
    if (names.size() > limits::labels)
        throw FanfoldError("the job names " + std::to_string(names.size()) + " " + what +
                           "s, at most " + std::to_string(limits::labels) + " are taken");
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        if (name.empty())
            throw FanfoldError("a " + what + " has no name; name it as the workers do");
    }
    if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
        throw FanfoldError("the " + what + " '" + *twice + "' is named twice; name it once");
}

/// What the job is part of. Throws when that is not an attempt, or too deep.
std::vector<wire::OuterAttempt> outer_of(const Parent& parent) {
    if (parent.attempts.size() > limits::nesting_depth)
        throw FanfoldError("the job lies within " + std::to_string(parent.attempts.size()) +
                           " fragments, at most " + std::to_string(limits::nesting_depth) +
                           " are taken; let the handlers call themselves less deep");
    std::vector<wire::OuterAttempt> outer;
    for (const FragmentAttempt& attempt : parent.attempts) {
        auto job = parse_job_id(attempt.job);
        if (!job) throw FanfoldError("the job's parent: " + job.error().text);
        outer.push_back({.job = *job, .index = attempt.index, .attempt = attempt.attempt});
    }
    return outer;
}

void check_needs(const JobOptions& options) {
    if (options.hedge == Hedge::after && options.hedge_after.count() <= 0)
        throw FanfoldError(
            "hedge_after is " + std::to_string(options.hedge_after.count()) +
            "ms; with Hedge::after say past which time a fragment is started a second time");
    if (options.rerun == Rerun::after && options.rerun_after.count() < 0)
        throw FanfoldError("rerun_after is " + std::to_string(options.rerun_after.count()) +
                           "ms; with Rerun::after say after which silence of its worker a "
                           "fragment is given to another");
    check_names("label", options.require);
    std::vector<std::string> names;
    for (const ResourceAmount& resource : options.resources) {
        names.push_back(resource.name);
        if (resource.amount == 0)
            throw FanfoldError("of the resource '" + resource.name +
                               "' nothing is taken; say how much, or leave it out");
    }
    check_names("resource", std::move(names));
}

void check(const std::string& function, const JobOptions& options) {
    if (function.empty()) throw FanfoldError("a job needs the name of a function");
    if (options.gather == Gather::quorum && options.quorum == 0)
        throw FanfoldError("the quorum is 0; with Gather::quorum say how many values are wanted");
    if (options.deadline.count() < 0)
        throw FanfoldError("the deadline is negative: " + std::to_string(options.deadline.count()) +
                           "ms; 0 is none");
    if (options.timeout.count() < 0)
        throw FanfoldError("the timeout is negative: " + std::to_string(options.timeout.count()) +
                           "ms; 0 is none");
    if (options.max_failures && options.max_failures_percent)
        throw FanfoldError("max_failures and max_failures_percent are both set; choose one");
    if (double percent = options.max_failures_percent.value_or(0);
        !(percent >= 0 && percent <= 100))
        throw FanfoldError("max_failures_percent is " + std::to_string(percent) +
                           "; it goes from 0 to 100");
    check_needs(options);
}
}  // namespace

FragmentOutcome outcome_of(wire::FailureKind kind) {
    switch (kind) {
        case wire::FailureKind::failed: return FragmentOutcome::failed;
        case wire::FailureKind::timeout: return FragmentOutcome::timeout;
        case wire::FailureKind::crashed: return FragmentOutcome::crashed;
        case wire::FailureKind::cancelled: return FragmentOutcome::cancelled;
    }
    return FragmentOutcome::failed;
}

JobOutcome outcome_of(wire::Outcome outcome) {
    switch (outcome) {
        case wire::Outcome::running: return JobOutcome::running;
        case wire::Outcome::complete: return JobOutcome::complete;
        case wire::Outcome::partial: return JobOutcome::partial;
        case wire::Outcome::expired: return JobOutcome::expired;
        case wire::Outcome::failed: return JobOutcome::failed;
        case wire::Outcome::cancelled: return JobOutcome::cancelled;
    }
    return JobOutcome::failed;
}

FragmentResult result_of(const wire::Failure& failure, const Slice& output) {
    FragmentResult result;
    result.index = failure.index;
    result.outcome = outcome_of(failure.kind);
    result.message = failure.message;
    result.exit_code = failure.exit_code;
    result.signal = failure.signal;
    result.output = output.view();
    result.attempt = failure.attempt;
    result.worker = failure.worker;
    result.started = microseconds(failure.started);
    result.elapsed = microseconds(failure.elapsed);
    return result;
}

ResultRun run_of(const wire::Failure& failure, const Slice& output) {
    ResultRun run;
    run.first = failure.index;
    run.count = 1;
    run.failure = result_of(failure, output);
    run.worker = failure.worker;
    run.attempt = failure.attempt;
    run.started = microseconds(failure.started);
    run.elapsed = microseconds(failure.elapsed);
    return run;
}

JobEnd end_of(const wire::Concluded& concluded) {
    JobEnd end;
    end.outcome = outcome_of(concluded.outcome);
    end.reason = concluded.reason;
    end.total = concluded.total.value_or(0);
    end.values = concluded.values;
    end.failures = concluded.failures;
    end.late = concluded.late;
    for (const auto& missing : concluded.missing) {
        MissingFragments fragments{.reason = missing.reason, .ranges = {}};
        for (Range range : missing.ranges) fragments.ranges.emplace_back(range.begin, range.end);
        end.missing.push_back(std::move(fragments));
    }
    return end;
}

JobStatus status_of(const wire::JobInfo& info) {
    JobStatus status;
    status.id = to_string(info.job);
    status.title = info.title;
    status.function = info.function;
    status.outcome = outcome_of(info.outcome);
    status.reason = info.reason;
    status.total = info.total;
    status.accepted = info.accepted;
    status.queued = info.queued;
    status.running = info.running;
    status.values = info.values;
    status.failed = info.failed;
    status.age = milliseconds(info.age);
    status.took = milliseconds(info.took);
    status.gatherer = info.gatherer;
    status.notice = info.notice;
    status.key = info.key;
    status.round = info.round;
    status.priority = info.share.priority;
    status.weight = info.share.weight;
    status.max_running = info.share.max_running;
    status.hedged = info.hedged;
    status.user = info.user;
    return status;
}

WorkerStatus status_of(const wire::WorkerInfo& info) {
    WorkerStatus status;
    for (const auto& wall : info.unreached)
        status.unreached.push_back(
            {.gatherer = wall.gatherer, .endpoint = wall.endpoint, .since = wall.since});
    status.name = info.name;
    status.slots = info.slots;
    status.stuck_slots = info.stuck_slots;
    status.running = info.running;
    status.finished = info.finished;
    status.functions = info.functions;
    status.silent = milliseconds(info.silent);
    status.leaving = info.leaving;
    status.trouble = info.trouble;
    status.labels = info.labels;
    for (const wire::Resource& resource : info.resources)
        status.resources.push_back({resource.name, resource.amount});
    return status;
}

GathererStatus status_of(const wire::GathererInfo& info) {
    GathererStatus status;
    status.name = info.name;
    if (info.minor > 0)
        status.version = std::to_string(wire::version_major) + "." + std::to_string(info.minor);
    status.address = info.address;
    status.running = info.running;
    status.ended = info.ended;
    status.draining = info.draining;
    status.trouble = info.trouble;
    return status;
}

wire::JobSpec spec_of(const std::string& function, const JobOptions& options) {
    check(function, options);
    wire::JobSpec spec;
    spec.function = function;
    spec.title = options.title.empty() ? function : options.title;
    spec.policy = policy_of(options.gather);
    spec.quorum = options.quorum;
    spec.tolerance = options.max_failures || options.max_failures_percent;
    spec.max_failures = options.max_failures.value_or(0);
    spec.max_failures_percent = options.max_failures_percent.value_or(0);
    spec.deadline = wire::Milliseconds(options.deadline.count());
    spec.timeout = wire::Milliseconds(options.timeout.count());
    spec.retries = options.retries;
    spec.attached = options.attached && options.key.empty();
    if (spec.attached)
        spec.lease = std::chrono::duration_cast<wire::Milliseconds>(limits::client_lease);
    spec.ordered = options.ordered;
    spec.cwd = options.cwd;
    if (options.cwd_else_fresh) {  // by a path that means the same to every process
        std::error_code none;
        spec.cwd = std::filesystem::canonical(options.cwd, none).string();
        spec.cwd_identity = identity_of_folder(spec.cwd);
        if (spec.cwd_identity.empty()) spec.cwd.clear();
    }
    spec.environment = options.environment;
    spec.max_output = options.max_output;
    spec.key = options.key;
    spec.share = {
        .priority = options.priority, .weight = options.weight, .max_running = options.max_running};
    spec.hedging = hedging_of(options.hedge);
    if (options.hedge == Hedge::after)
        spec.hedge_after = wire::Milliseconds(options.hedge_after.count());
    spec.rerun = rerun_of(options.rerun);
    if (options.rerun == Rerun::after)
        spec.rerun_after = wire::Milliseconds(options.rerun_after.count());
    spec.require = options.require;
    for (const ResourceAmount& resource : options.resources)
        spec.resources.push_back({resource.name, resource.amount});
    spec.compress = options.compress;
    spec.outer = outer_of(options.parent);
    if (std::string why = wire::fields::why_refused(spec); !why.empty())
        throw FanfoldError("the job can't be submitted: its " + why);
    return spec;
}

}  // namespace fanfold::scatterer
