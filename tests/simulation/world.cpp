#include "tests/simulation/world.hpp"

#include <cstdio>

#include "tests/simulation/client_process.hpp"
#include "tests/simulation/servers.hpp"
#include "tests/simulation/worker_process.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
constexpr Duration drain_time = 150s;       // after the last fault and the last user's act
constexpr Duration drained_again = 500ms;   // between two looks
constexpr Duration worker_restart = 200ms;  // by whoever runs it
constexpr Duration client_patience = 3s;    // cut off for so long in sum, a client may give up

Random derived(std::uint64_t seed, std::uint64_t purpose) { return Random(seed * 0xd1342543de82ef95u + purpose); }
}  // namespace

RunReport run(const RunOptions& options) { return World(options).run(); }

World::World(const RunOptions& options)
    : options_(options),
      scenario_(make_scenario(options.seed)),
      random_(derived(options.seed, 1)),
      trace_(options.prints),
      saboteur_(options.bug),
      network_(scheduler_, derived(options.seed, 2), trace_, saboteur_, [this](HostId host) { return name_of(host); }),
      checker_(scenario_) {
    for (const JobPlan& job : scenario_.jobs) trace_.name_job(job.id, job.number);
    for (HostId a = 0; a < scenario_.hosts(); ++a)
        for (HostId b = 0; b < a; ++b) network_.set_delays(a, b, scenario_.least_delay, scenario_.most_delay);
    hosts_.resize(scenario_.hosts());
    disturbances_.any = !scenario_.faults.empty();
    for (const JobPlan& job : scenario_.jobs) disturbances_.any |= job.killing_percent > 0 || (job.slow_percent > 0 && job.slow_sticks);
}

World::~World() = default;

std::string World::name_of(HostId host) const {
    if (host == scenario_.broker()) return "broker";
    if (host < scenario_.worker(0)) return "gatherer-" + std::to_string(host - scenario_.gatherer(0));
    if (host < scenario_.client(0)) return "worker-" + std::to_string(host - scenario_.worker(0));
    return "client-" + std::to_string(host - scenario_.client(0));
}

void World::remark(const std::string& text) {
    trace_.add(scheduler_.now(), text, [&] { return "---- " + text; });
}

// --- lives ------------------------------------------------------------------------------------------------------

std::unique_ptr<Process> World::make(HostId host) {
    if (host == scenario_.broker()) return std::make_unique<BrokerProcess>(*this, host);
    if (host < scenario_.worker(0)) return std::make_unique<GathererProcess>(*this, host);
    if (is_worker(host)) return std::make_unique<WorkerProcess>(*this, host, scenario_.workers[host - scenario_.worker(0)]);
    return std::make_unique<ClientProcess>(*this, host, host - scenario_.client(0));
}

void World::start(HostId host) {
    if (hosts_[host]) {
        if (hosts_[host]->alive()) return;
        graveyard_.push_back(std::move(hosts_[host]));
    }
    remark(name_of(host) + " starts");
    hosts_[host] = make(host);
    hosts_[host]->start();
}

void World::crash(HostId host, Duration until_restart, bool silently) {
    if (!hosts_[host]->alive()) return;
    remark(name_of(host) + " dies" + (silently ? ", and nobody is told" : ""));
    hosts_[host]->die(silently);
    if (is_client(host)) disturbances_.client_died[host - scenario_.client(0)] = true;
    scheduler_.after(until_restart, [this, host] { start(host); });
}

void World::ended(HostId host) {
    hosts_[host]->end();
    scheduler_.after(worker_restart, [this, host] { start(host); });
}
void World::kill(HostId host) { crash(host, worker_restart, false); }

// --- faults -----------------------------------------------------------------------------------------------------

void World::arrange_faults() {
    for (const Fault& fault : scenario_.faults) scheduler_.at(Time{} + fault.at, [this, &fault] { apply(fault); });
}

/// Clients that are cut off for long may give up, and lose their lease.
void World::disturb(HostId a, HostId b, Duration length) {
    for (std::uint32_t client = 0; client < scenario_.clients; ++client) {
        HostId host = scenario_.client(client);
        bool touched = a == scenario_.broker() ? (b == host || b == a) : a == host && (b == scenario_.broker() || b == a);
        touched |= b == scenario_.broker() && a == host;
        if (touched) cut_off_[client] += length;
        if (cut_off_[client] >= client_patience) disturbances_.client_cut_off[client] = true;
    }
}

void World::apply(const Fault& fault) {
    HostId a = fault.host, b = fault.other;
    std::string both = name_of(a) + " and " + name_of(b);
    switch (fault.kind) {
        case FaultKind::broken: remark("the connections between " + both + " break"); return network_.break_connections(a, b);
        case FaultKind::blocked:
            remark("nothing passes between " + both);
            disturb(a, b, fault.length);
            network_.block(a, b);
            return scheduler_.after(fault.length, [this, a, b, both, dead = fault.flag] {
                remark("the way is free between " + both + (dead ? ", the connections are dead" : ""));
                network_.unblock(a, b, dead);
            });
        case FaultKind::slowed:
            remark("it is slow between " + both);
            disturb(a, b, fault.length);
            network_.set_delays(a, b, scenario_.most_delay, std::max<Duration>(fault.length, scenario_.most_delay));
            return scheduler_.after(fault.length, [this, a, b] { network_.set_delays(a, b, scenario_.least_delay, scenario_.most_delay); });
        case FaultKind::paused:
            remark(name_of(a) + " is paused");
            disturb(a, a, fault.length);
            hosts_[a]->pause();
            return scheduler_.after(fault.length, [this, process = hosts_[a].get()] {
                remark(name_of(process->host()) + " goes on");
                process->go_on();
            });
        case FaultKind::crashed: return crash(a, fault.length, fault.flag);
    }
}

// --- the end ----------------------------------------------------------------------------------------------------

bool World::drained() const {
    if (!checker_.all_finished()) return false;
    for (const auto& process : hosts_)
        if (!process->alive() || !process->leftovers().empty()) return false;
    return true;
}

void World::judge_leftovers() {
    for (const auto& process : hosts_) {
        if (!process->alive()) checker_.complain(name_of(process->host()) + " is dead at the end");
        else if (auto left = process->leftovers(); !left.empty()) checker_.complain(name_of(process->host()) + left);
    }
}

RunReport World::run() {
    if (options_.prints) std::printf("%s", to_string(scenario_).c_str());
    for (HostId host = 0; host < scenario_.hosts(); ++host) start(host);
    arrange_faults();
    Time quiet = Time{} + scenario_.quiet_after;
    Time look = quiet;
    while (scheduler_.step()) {
        if (scheduler_.now() < look) continue;
        look = scheduler_.now() + drained_again;
        if (drained()) break;
        if (scheduler_.now() < quiet + drain_time) continue;
        if (auto who = checker_.unfinished(); !who.empty()) checker_.complain("hangs: " + who);
        break;
    }
    judge_leftovers();
    checker_.judge(disturbances_);
    return {.complaints = checker_.complaints(),
            .hash = trace_.hash(),
            .executions = checker_.executions(),
            .delivered = checker_.delivered_fragments(),
            .faults = scenario_.faults.size(),
            .took = scheduler_.now() - Time{}};
}

}  // namespace fanfold::simulation
