#include "tests/simulation/schedule.hpp"

#include <cstdio>
#include <cstdlib>

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
bool prints_figures = false;

JobPlan make_job(const SchedulePlan& plan, std::uint32_t number) {
    Random random(plan.seed + number);
    JobPlan job;
    job.number = number + 1;
    job.id = make_job_id(1'700'000'000'000ms + std::chrono::milliseconds(number), random.next(),
                         random.next());
    job.token = random.next();
    job.seed = random.next();
    job.spec = {.function = "f", .attached = true, .lease = 5s, .hedging = plan.hedging};
    job.count = plan.fragments;
    job.work_least = job.work_most = 1ms;
    job.open_at = 1s;
    job.block_fragments = static_cast<std::uint32_t>(plan.fragments);
    job.block_pause = 10us;
    job.owner.consume_least = 1us;
    job.owner.consume_most = 2us;
    job.heeds_stops = true;
    job.time = [number, time = plan.time](RunOf run) { return time(number, run); };
    if (plan.in_sequence && number > 0) job.follows = number;
    return job;
}
}  // namespace

RunReport run_schedule(const SchedulePlan& plan) {
    Scenario scenario{.seed = plan.seed};
    scenario.workers.assign(plan.workers, {.slots = plan.slots, .functions = {"f"}});
    for (std::uint32_t number = 0; number < plan.jobs; ++number)
        scenario.jobs.push_back(make_job(plan, number));
    scenario.durable = {false, false};
    scenario.least_commit = scenario.most_commit = 1ms;
    scenario.least_delay = 40us;
    scenario.most_delay = 120us;
    scenario.quiet_after = plan.longest;
    RunReport report =
        run({.seed = plan.seed, .check_every = 4096, .scenario = std::move(scenario)});
    for (const auto& complaint : report.complaints)
        std::printf("complaint: %s\n", complaint.c_str());
    if (report.job_times.size() != plan.jobs)
        std::printf("complaint: %zu of %u jobs have ended\n", report.job_times.size(), plan.jobs);
    if (!report.complaints.empty() || report.job_times.size() != plan.jobs) std::exit(1);
    return report;
}

void read_arguments(int count, char** arguments) {
    for (int i = 1; i < count; ++i) {
        if (std::string(arguments[i]) == "--figures") prints_figures = true;
        else std::exit((std::fprintf(stderr, "usage: %s [--figures]\n", arguments[0]), 2));
    }
}

bool compare(const Comparison& comparison) {
    const auto& [name, what, measured, reference, most] = comparison;
    double ratio = measured / reference;
    if (prints_figures)
        std::printf("%s-measured,%.4f\n%s-reference,%.4f\n", name.c_str(), measured, name.c_str(),
                    reference);
    else
        std::printf("%-52s %10.4f %10.4f   ratio %.3f, wanted <= %.2f%s\n", what.c_str(), measured,
                    reference, ratio, most, ratio <= most ? "" : "   MISSED");
    return ratio <= most;
}

}  // namespace fanfold::simulation
