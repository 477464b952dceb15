#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <sstream>

#include "shared/wire/codec.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
using wire::GatherPolicy;
const std::vector<std::string> function_names{"resize", "align", "score"};

wire::Milliseconds milliseconds(Random& random, Duration least, Duration most) {
    return std::chrono::ceil<wire::Milliseconds>(random.duration(least, most));
}

void choose_policy(Random& random, JobPlan& job) {
    wire::JobSpec& spec = job.spec;
    switch (random.below(8)) {
        case 0: spec.policy = GatherPolicy::first; break;
        case 1:
            spec.policy = GatherPolicy::quorum;
            spec.quorum = random.between(1, job.count + 1);
            break;
        case 2: spec.policy = GatherPolicy::available; break;
        default: spec.policy = GatherPolicy::all;
    }
    if (random.chance(20)) {
        spec.tolerance = true;
        if (random.chance(50)) spec.max_failures = random.below(5);
        else spec.max_failures_percent = static_cast<double>(random.below(30));
    }
    bool needs_deadline = spec.policy == GatherPolicy::available || job.sealing_fails;
    if (needs_deadline || random.chance(25)) spec.deadline = milliseconds(random, 200ms, 20s);
}

void choose_fragments(Random& random, JobPlan& job) {
    if (random.chance(30)) job.failing_percent = random.chance(50) ? 2 : 20;
    if (random.chance(30)) job.flaky_percent = random.chance(50) ? 2 : 30;
    if (random.chance(15)) job.killing_percent = 100.0 / static_cast<double>(job.count + 1);
    if (random.chance(20)) {
        job.slow_sticks = random.chance(40);
        job.slow_percent = 100.0 *
                           static_cast<double>(random.between(1, job.slow_sticks ? 3 : 10)) /
                           static_cast<double>(job.count + 1);
        job.spec.timeout = milliseconds(random, 100ms, 1s);
    }
    job.work_least = random.duration(1us, 5ms);
    job.work_most = job.work_least * random.between(1, 20);
    if (random.chance(10)) job.work_most += 500ms;
    if (job.count <= 12 && random.chance(15)) job.work_most += 2s;
    if (job.count > 300) job.work_most = std::min<Duration>(job.work_most, 5ms);
    job.work_least = std::min(job.work_least, job.work_most);
    if (job.spec.timeout.count() > 0)
        job.work_most = std::min<Duration>(job.work_most, Duration(job.spec.timeout) / 4);
    job.work_least = std::min(job.work_least, job.work_most);
    job.value_bytes = random.chance(10) ? 20'000 : random.below(200);
    if (random.chance(15)) job.payload_bytes = random.below(2000);
    job.spec.retries = static_cast<std::uint32_t>(random.below(4));
}

CollectorPlan choose_collector(Random& random, std::uint32_t clients, std::uint64_t count) {
    CollectorPlan plan{.client = static_cast<std::uint32_t>(random.below(clients))};
    plan.ordered = random.chance(50);
    plan.consume_least = random.duration(1us, count > 200 ? Duration(200us) : Duration(10ms));
    plan.consume_most = plan.consume_least * (random.chance(20) ? 100 : 3);
    return plan;
}

JobPlan choose_job(Random& random, std::uint32_t number, std::uint32_t clients) {
    JobPlan job;
    job.number = number;
    job.id = make_job_id(1'700'000'000'000ms + std::chrono::milliseconds(number), random.next(),
                         random.next());
    job.token = random.next();
    job.seed = random.next();
    switch (random.below(10)) {
        case 0: job.count = random.below(3); break;
        case 1: job.count = random.between(300, 2000); break;
        default: job.count = random.between(1, 120);
    }
    job.spec.function = random.pick(function_names);
    job.sealing_fails = job.count > 0 && random.chance(4);
    choose_policy(random, job);
    choose_fragments(random, job);
    job.open_at = 300ms + random.duration(1ms, 8s);
    job.block_fragments = static_cast<std::uint32_t>(
        random.chance(40) ? job.count + 1 : random.between(1, job.count / 4 + 1));
    job.block_pause = random.duration(
        10us, job.count / job.block_fragments > 10 ? Duration(100ms) : Duration(2s));
    job.sealed_by_last_block = random.chance(60);
    job.owner = choose_collector(random, clients, job.count);
    job.client = job.owner.client;
    job.spec.ordered = job.owner.ordered;
    job.spec.attached = random.chance(50);
    if (job.spec.attached) job.spec.lease = milliseconds(random, 3s, 10s);
    job.collected_by_owner = job.spec.attached || random.chance(60);
    job.collected_from_start = random.chance(70);
    if (!job.spec.attached)
        for (std::uint64_t i = random.below(3); i > 0; --i) {
            CollectorPlan other = choose_collector(random, clients, job.count);
            other.at = job.open_at + random.duration(1ms, 10s);
            job.others.push_back(other);
        }
    bool endless = job.sealing_fails && job.spec.deadline.count() == 0;
    if (endless || random.chance(10)) job.cancel_at = job.open_at + random.duration(1ms, 10s);
    return job;
}

/// Somebody finds out that a part of the job is of no use.
void choose_dropped(Random& random, JobPlan& job) {
    if (job.count == 0 || !random.chance(15)) return;
    job.dropped.begin = random.below(job.count);
    job.dropped.end = job.dropped.begin + random.between(1, job.count - job.dropped.begin);
    job.drop_at = job.open_at + random.duration(1ms, 3s);
}

void choose_fleet(Random& random, Scenario& scenario, std::uint32_t least_gatherers) {
    scenario.gatherers = std::max(least_gatherers, random.chance(70) ? 1u : 2u);
    scenario.clients = static_cast<std::uint32_t>(random.between(1, 3));
    for (std::uint64_t i = random.between(1, 4); i > 0; --i) {
        WorkerPlan worker{.slots = static_cast<std::uint32_t>(random.between(1, 4)),
                          .functions = function_names};
        if (i > 1 && random.chance(30))
            worker.functions = {random.pick(function_names)};  // one at least offers all
        scenario.workers.push_back(worker);
    }
    scenario.least_commit = random.duration(50us, 5ms);
    scenario.most_commit = scenario.least_commit * random.between(1, 50);
    std::uint64_t kind = random.below(10);  // most runs are durable, some are not, some are mixed
    for (std::uint32_t host = 0; host < scenario.worker(0); ++host)
        scenario.durable.push_back(kind < 7 || (kind == 9 && random.chance(50)));
    scenario.least_delay = random.duration(10us, 1ms);
    scenario.most_delay = scenario.least_delay * random.between(1, 30);
}
/// Less than the jobs need, and enough for a few blocks and for a few messages of results.
void choose_memory(Random& random, Scenario& scenario) {
    constexpr std::uint64_t beside = 100;  // of each fragment
    std::uint64_t block = 16 << 10, values = 1 << 20;
    for (const JobPlan& job : scenario.jobs) {
        block = std::max(block, std::min<std::uint64_t>(job.block_fragments, job.count) *
                                    (job.payload_bytes + beside));
        values = std::max(values, 50 * (job.value_bytes + beside));
    }
    if (random.chance(50)) scenario.broker_memory = block * random.between(4, 20);
    if (random.chance(50)) scenario.gatherer_memory = values * random.between(1, 8);
}

/// Somebody asks for submitted jobs when all is over: what was told of them before must still be
/// so.
void late_collectors(Random& random, Scenario& scenario) {
    Duration begin = scenario.quiet_after, end = begin;
    for (JobPlan& job : scenario.jobs) {
        if (job.spec.attached || !random.chance(60)) continue;
        CollectorPlan other = choose_collector(random, scenario.clients, job.count);
        other.at = begin + random.duration(10ms, 5s);
        end = std::max(end, other.at);
        job.others.push_back(other);
    }
    scenario.quiet_after = end;
}
}  // namespace

FragmentPlan JobPlan::fragment(Index index) const {
    Random random(seed + index * 0x632be59bd9b4e019u);
    FragmentPlan plan{.behaviour = Behaviour::value,
                      .work = random.duration(work_least, work_most)};
    double die = random.fraction() * 100;
    auto falls = [&die](double percent) { return (die -= percent) < 0; };
    if (falls(killing_percent)) plan.behaviour = Behaviour::kills;
    else if (falls(slow_percent))
        plan.behaviour = slow_sticks ? Behaviour::sticks : Behaviour::overruns;
    else if (falls(failing_percent)) plan.behaviour = Behaviour::fails;
    else if (falls(flaky_percent)) plan.behaviour = Behaviour::flaky;
    return plan;
}

std::string JobPlan::payload(Index index) const {
    std::string text = "input " + std::to_string(number) + "/" + std::to_string(index);
    text.append(payload_bytes, static_cast<char>('a' + index % 26));
    return wire::pack_text(text);
}

std::string JobPlan::value(Index index) const {
    std::string text = "value " + std::to_string(number) + "/" + std::to_string(index) + " ";
    text.append(value_bytes, static_cast<char>('a' + index % 26));
    return wire::pack_text(text);
}

Scenario make_scenario(std::uint64_t seed, std::uint32_t least_gatherers) {
    Random random(seed * 0x9e3779b97f4a7c15u + 1);
    Scenario scenario{.seed = seed};
    choose_fleet(random, scenario, least_gatherers);
    auto jobs = static_cast<std::uint32_t>(random.between(1, 5));
    for (std::uint32_t number = 1; number <= jobs; ++number)
        scenario.jobs.push_back(choose_job(random, number, scenario.clients));
    Random of_dropped(seed ^ 0xa0761d6478bd642fu);  // so that all else stays as it was
    for (JobPlan& job : scenario.jobs) choose_dropped(of_dropped, job);
    for (const JobPlan& job : scenario.jobs) {
        Duration last = job.open_at + job.block_pause * static_cast<std::int64_t>(
                                                            job.count / job.block_fragments + 2);
        for (const auto& other : job.others) last = std::max(last, other.at);
        if (job.cancel_at) last = std::max(last, *job.cancel_at);
        scenario.quiet_after = std::max(scenario.quiet_after, last);
    }
    choose_memory(random, scenario);
    choose_faults(random, scenario);
    late_collectors(random, scenario);
    return scenario;
}

std::string to_string(const Scenario& scenario) {
    std::ostringstream text;
    auto seconds = [](Duration duration) { return static_cast<double>(duration.count()) / 1e9; };
    text << "seed " << scenario.seed << ": " << scenario.gatherers << " gatherers, "
         << scenario.workers.size() << " workers, " << scenario.clients << " clients, quiet after "
         << seconds(scenario.quiet_after) << " s"
         << (scenario.memory_lost ? ", memory is lost" : "")
         << (scenario.calm_workers ? ", calm workers" : "") << ", durable:";
    for (bool durable : scenario.durable) text << (durable ? " yes" : " no");
    text << "\n";
    for (const JobPlan& job : scenario.jobs) {
        text << "  job #" << job.number << " of client " << job.client << " at "
             << seconds(job.open_at) << " s: " << job.count << " fragments in blocks of "
             << job.block_fragments << ", policy " << static_cast<int>(job.spec.policy)
             << " quorum " << job.spec.quorum << ", tolerance "
             << (job.spec.tolerance ? std::to_string(job.spec.max_failures) + " or " +
                                          std::to_string(job.spec.max_failures_percent) + "%"
                                    : "none")
             << ", deadline " << job.spec.deadline.count() << " ms, timeout "
             << job.spec.timeout.count() << " ms, retries " << job.spec.retries
             << (job.spec.attached ? ", attached" : ", submitted")
             << (job.owner.ordered ? ", ordered" : "")
             << (job.sealing_fails ? ", never sealed" : "")
             << (job.collected_by_owner ? "" : ", not collected by its owner") << ", "
             << job.others.size() << " more collectors"
             << (job.cancel_at ? ", cancelled at " + std::to_string(seconds(*job.cancel_at)) : "")
             << (job.dropped.empty()
                     ? ""
                     : ", without some of them at " + std::to_string(seconds(job.drop_at)) + " s")
             << "\n";
    }
    return text.str();
}

}  // namespace fanfold::simulation
