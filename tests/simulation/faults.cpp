// What goes wrong in a run: chosen by its seed.
#include <algorithm>

#include "tests/simulation/scenario.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;

bool is_worker(const Scenario& scenario, std::uint32_t host) {
    return host >= scenario.worker(0) && host < scenario.client(0);
}
bool is_client(const Scenario& scenario, std::uint32_t host) { return host >= scenario.client(0); }

/// Short where a longer one would, by the rules, cost a job its gatherer or its client.
Duration length_of_block(Random& random, const Scenario& scenario, std::uint32_t a,
                         std::uint32_t b) {
    return random.duration(20ms, is_worker(scenario, std::max(a, b)) ? 15s : 2s);
}

std::vector<std::uint32_t> others_of(const Scenario& scenario, std::uint32_t host) {
    std::vector<std::uint32_t> result;
    bool worker_or_client = host >= scenario.worker(0);
    for (std::uint32_t other = 0; other < scenario.hosts(); ++other) {
        bool talks = worker_or_client ? other < scenario.worker(0)
                                      : other != host && (host == 0 || other == 0 ||
                                                          other >= scenario.worker(0));
        if (talks) result.push_back(other);
    }
    return result;
}

Duration some_time(Random& random, Duration end) {
    return 400ms + Duration(static_cast<std::int64_t>(
                       random.below(static_cast<std::uint64_t>(end.count()))));
}

/// Between hosts, of workers and clients.
Fault choose_fault(Random& random, const Scenario& scenario, Duration end) {
    Fault fault{.at = some_time(random, end)};
    fault.host = static_cast<std::uint32_t>(random.below(scenario.hosts()));
    fault.other = random.pick(others_of(scenario, fault.host));
    fault.flag = random.chance(50);
    switch (random.below(10)) {
        case 0:
        case 1:
        case 2: fault.kind = FaultKind::broken; break;
        case 3:
        case 4:
            fault.kind = FaultKind::blocked;
            fault.length = length_of_block(random, scenario, fault.host, fault.other);
            break;
        case 5:
            fault.kind = FaultKind::slowed;
            fault.length = random.duration(100ms, 3s);
            break;
        case 6:
            fault.kind = FaultKind::paused;
            fault.length = random.duration(50ms, is_worker(scenario, fault.host) ? 12s : 3s);
            break;
        default:
            fault.kind = FaultKind::crashed;
            if (!is_worker(scenario, fault.host) &&
                !(is_client(scenario, fault.host) && random.chance(30)))
                fault.host = scenario.worker(
                    static_cast<std::uint32_t>(random.below(scenario.workers.size())));
            fault.length = random.duration(10ms, 4s);
    }
    return fault;
}

/// At once, soon, or after a while that clients still bear, or most.
Duration until_restart(Random& random) {
    if (random.chance(20)) return 1us;
    return random.duration(5ms, random.chance(15) ? 12s : 2500ms);
}

void strike_server(Random& random, Fault& fault) {
    fault.kind = FaultKind::crashed;
    fault.length = until_restart(random);
    fault.flag = random.chance(40);
    fault.moment = static_cast<Moment>(random.below(5));
    if (random.chance(20)) fault.jump = random.duration(1ms, 300ms) * (random.chance(50) ? 1 : -1);
}

/// Of what has a disk, and of clients.
Fault choose_durable_fault(Random& random, const Scenario& scenario,
                           const std::vector<std::uint32_t>& servers, Duration end) {
    Fault fault{.at = some_time(random, end), .host = random.pick(servers)};
    switch (random.below(8)) {
        case 0:
            fault.kind = FaultKind::full_disk;
            fault.length = random.duration(50ms, 6s);
            break;
        case 1:
            fault.kind = FaultKind::paused;
            fault.length = random.duration(50ms, 3s);
            break;
        case 2:
            fault.kind = FaultKind::crashed;
            fault.host =
                scenario.client(static_cast<std::uint32_t>(random.below(scenario.clients)));
            fault.length = random.duration(10ms, 4s);
            fault.flag = random.chance(50);
            break;
        default: strike_server(random, fault);
    }
    return fault;
}

void choose_blackout(Random& random, Scenario& scenario, Duration end) {
    Fault fault{.kind = FaultKind::blackout,
                .at = some_time(random, end),
                .length = until_restart(random) + 10ms};
    fault.flag = !scenario.calm_workers && random.chance(60);
    if (random.chance(30)) fault.jump = random.duration(1ms, 300ms) * (random.chance(50) ? 1 : -1);
    scenario.faults.push_back(fault);
}
}  // namespace

void choose_faults(Random& random, Scenario& scenario) {
    if (random.chance(15)) return;
    Duration end = random.duration(2s, 20s);
    std::vector<std::uint32_t> durable;
    for (std::uint32_t host = 0; host < scenario.worker(0); ++host)
        if (scenario.durable[host]) durable.push_back(host);
    scenario.doubled_percent = random.chance(50) ? 0 : random.fraction() * 5;
    scenario.calm_workers = durable.size() == scenario.durable.size() && random.chance(30);
    if (!scenario.calm_workers)
        for (std::uint64_t i = random.between(1, 12); i > 0; --i)
            scenario.faults.push_back(choose_fault(random, scenario, end));
    if (!durable.empty() && random.chance(90))
        for (std::uint64_t i = random.between(1, 6); i > 0; --i)
            scenario.faults.push_back(choose_durable_fault(random, scenario, durable, end));
    if (durable.size() == scenario.durable.size() && random.chance(20))
        choose_blackout(random, scenario, end);
    if (durable.size() < scenario.durable.size() && random.chance(50)) {
        Fault fault{.at = some_time(random, end)};
        strike_server(random, fault);
        do fault.host = static_cast<std::uint32_t>(random.below(scenario.worker(0)));
        while (scenario.durable[fault.host]);
        scenario.memory_lost = true;
        scenario.faults.push_back(fault);
    }
    std::ranges::stable_sort(scenario.faults, {}, &Fault::at);
    for (const Fault& fault : scenario.faults)
        scenario.quiet_after = std::max(scenario.quiet_after, fault.at + fault.length);
}

Scenario make_kills(std::uint64_t seed) {
    Random random(seed * 0x9e3779b97f4a7c15u + 2);
    Scenario scenario{.seed = seed, .many_kills = true};
    scenario.durable = {true, true};
    scenario.least_commit = 100us, scenario.most_commit = 3ms;
    scenario.least_delay = 50us, scenario.most_delay = 1ms;
    constexpr std::uint32_t workers = 8, kills = 560;  // some find their worker dead
    for (std::uint32_t i = 0; i < workers; ++i)
        scenario.workers.push_back({.slots = 2, .functions = {"resize"}});
    for (std::uint32_t number = 1; number <= 3; ++number) {
        JobPlan job{
            .number = number, .token = random.next(), .count = 30'000, .seed = random.next()};
        job.id = make_job_id(1'700'000'000'000ms + std::chrono::milliseconds(number), random.next(),
                             random.next());
        job.spec.function = "resize";
        job.killing_percent = 0.01;
        job.work_least = 10ms, job.work_most = 40ms;  // seldom struck three times by chance
        job.open_at = 400ms * number;
        job.block_fragments = 1000;
        job.block_pause = 10ms;
        job.owner = {.client = 0, .consume_least = 1us, .consume_most = 100us};
        scenario.jobs.push_back(job);
    }
    constexpr Duration time = 120s;  // what the jobs take, about
    for (std::uint32_t i = 0; i < kills; ++i) {
        Fault fault{.kind = FaultKind::crashed,
                    .at = some_time(random, time),
                    .length = random.duration(10ms, 500ms)};
        fault.host = scenario.worker(static_cast<std::uint32_t>(random.below(workers)));
        scenario.faults.push_back(fault);
    }
    std::ranges::stable_sort(scenario.faults, {}, &Fault::at);
    scenario.quiet_after = time + 60s;
    return scenario;
}

Scenario make_restores(std::uint64_t seed) {
    Scenario scenario = make_scenario(seed);
    Random random(seed * 0x9e3779b97f4a7c15u + 3);
    scenario.durable.assign(scenario.durable.size(), true);
    scenario.memory_lost = scenario.put_back = true;
    std::erase_if(scenario.faults, [](const Fault& fault) { return fault.jump != Duration{}; });
    const Duration end = scenario.quiet_after;
    for (std::uint64_t i = random.between(1, 3); i > 0; --i) {
        const auto host = static_cast<std::uint32_t>(random.below(scenario.worker(0)));
        Fault back{.kind = FaultKind::put_back,
                   .at = some_time(random, end),
                   .length = random.duration(5ms, 3s),
                   .host = host,
                   .flag = random.chance(40)};
        if (random.chance(80))
            scenario.faults.push_back(
                {.kind = FaultKind::copied, .at = random.duration(1ms, back.at), .host = host});
        scenario.faults.push_back(back);
        scenario.quiet_after = std::max(scenario.quiet_after, back.at + back.length);
    }
    std::ranges::stable_sort(scenario.faults, {}, &Fault::at);
    return scenario;
}

Scenario make_drains(std::uint64_t seed) {
    Random random(seed * 0x9e3779b97f4a7c15u + 4);
    Scenario scenario = make_scenario(seed, static_cast<std::uint32_t>(random.between(2, 3)));
    const Duration end = scenario.quiet_after;
    for (std::uint64_t i = random.between(1, 5); i > 0; --i) {
        const auto gatherer = static_cast<std::uint32_t>(random.below(scenario.gatherers - 1));
        Fault drained{.kind = FaultKind::drained,
                      .at = some_time(random, end),
                      .length = random.chance(50) ? Duration{} : random.duration(1ms, 5s),
                      .host = scenario.gatherer(gatherer)};
        scenario.faults.push_back(drained);
        scenario.quiet_after = std::max(scenario.quiet_after, drained.at + drained.length);
    }
    std::ranges::stable_sort(scenario.faults, {}, &Fault::at);
    return scenario;
}

}  // namespace fanfold::simulation
