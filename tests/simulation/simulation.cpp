#include "tests/simulation/simulation.hpp"

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
constexpr Duration room_again = 500ms;      // between two tries to start on a full disk
constexpr Duration client_patience = 3s;    // cut off for so long in sum, a client may give up
}  // namespace

RunReport run(const RunOptions& options) { return Simulation(options).run(); }

Simulation::Simulation(const RunOptions& options) : World(options) {
    hosts_.resize(scenario_.hosts());
    disturbances_.any = !scenario_.faults.empty();
    disturbances_.workers = !scenario_.faults.empty() && !scenario_.calm_workers;
    for (const JobPlan& job : scenario_.jobs)
        if (job.killing_percent > 0 || (job.slow_percent > 0 && job.slow_sticks))
            disturbances_.any = disturbances_.workers = true;
}

Simulation::~Simulation() = default;

// --- lives

std::unique_ptr<Process> Simulation::make(HostId host) {
    if (host == scenario_.broker()) return std::make_unique<BrokerProcess>(*this, host);
    if (host < scenario_.worker(0)) return std::make_unique<GathererProcess>(*this, host);
    if (is_worker(host))
        return std::make_unique<WorkerProcess>(*this, host,
                                               scenario_.workers[host - scenario_.worker(0)]);
    return std::make_unique<ClientProcess>(*this, host, host - scenario_.client(0));
}

void Simulation::start(HostId host) {
    if (hosts_[host] && hosts_[host]->alive()) return;
    if (Disk* on = disk(host); on && on->full()) {
        remark(name_of(host) + " does not start: its disk is full");
        if (host == scenario_.broker()) disturb(host, host, room_again);
        return scheduler_.after(room_again, [this, host] { start(host); });
    }
    if (hosts_[host]) {
        graveyard_.push_back(std::move(hosts_[host]));
    }
    remark(name_of(host) + " starts");
    hosts_[host] = make(host);
    hosts_[host]->start();
}

void Simulation::crash(HostId host, Duration until_restart, bool silently) {
    if (!hosts_[host]->alive()) return;
    remark(name_of(host) + " dies" + (silently ? ", and nobody is told" : ""));
    hosts_[host]->die(silently);
    if (host == scenario_.broker()) disturb(host, host, until_restart);
    if (is_client(host)) disturbances_.client_died[host - scenario_.client(0)] = true;
    scheduler_.after(until_restart, [this, host] { start(host); });
}

void Simulation::ended(HostId host) {
    hosts_[host]->end();
    scheduler_.after(worker_restart, [this, host] { start(host); });
}
void Simulation::kill(HostId host) { crash(host, worker_restart, false); }

// --- faults

void Simulation::arrange_faults() {
    for (const Fault& fault : scenario_.faults)
        scheduler_.at(Time{} + fault.at, [this, &fault] { apply(fault); });
}

/// Clients that are cut off for long may give up, and lose their lease.
void Simulation::disturb(HostId a, HostId b, Duration length) {
    for (std::uint32_t client = 0; client < scenario_.clients; ++client) {
        HostId host = scenario_.client(client);
        bool touched = a == scenario_.broker() ? (b == host || b == a)
                                               : a == host && (b == scenario_.broker() || b == a);
        touched |= b == scenario_.broker() && a == host;
        if (touched) cut_off_[client] += length;
        if (cut_off_[client] >= client_patience) disturbances_.client_cut_off[client] = true;
    }
}

/// A worker hears of its gatherers alone.
void Simulation::tell_of_wall(HostId a, HostId b, bool reached) {
    const auto [gatherer, worker] = std::minmax(a, b);
    if (!is_worker(worker) || gatherer == scenario_.broker()) return;
    if (hosts_[worker] && hosts_[worker]->alive()) hosts_[worker]->reach(gatherer, reached);
}

void Simulation::apply(const Fault& fault) {
    HostId a = fault.host, b = fault.other;
    std::string both = name_of(a) + " and " + name_of(b);
    switch (fault.kind) {
        case FaultKind::broken:
            remark("the connections between " + both + " break");
            return network_.break_connections(a, b);
        case FaultKind::blocked:
            remark("nothing passes between " + both);
            disturb(a, b, fault.length);
            network_.block(a, b);
            tell_of_wall(a, b, false);
            return scheduler_.after(fault.length, [this, a, b, both, dead = fault.flag] {
                remark("the way is free between " + both +
                       (dead ? ", the connections are dead" : ""));
                network_.unblock(a, b, dead);
                tell_of_wall(a, b, true);
            });
        case FaultKind::slowed:
            remark("it is slow between " + both);
            disturb(a, b, fault.length);
            network_.set_delays(a, b, scenario_.most_delay,
                                std::max<Duration>(fault.length, scenario_.most_delay));
            return scheduler_.after(fault.length, [this, a, b] {
                network_.set_delays(a, b, scenario_.least_delay, scenario_.most_delay);
            });
        case FaultKind::paused:
            remark(name_of(a) + " is paused");
            disturb(a, a, fault.length);
            hosts_[a]->pause();
            return scheduler_.after(fault.length, [this, process = hosts_[a].get()] {
                remark(name_of(process->host()) + " goes on");
                process->go_on();
            });
        case FaultKind::crashed: return apply_crash(fault);
        case FaultKind::copied:
            remark("the disk of " + name_of(a) + " is copied");
            return disk(a)->keep_copy();
        case FaultKind::put_back: return put_back(fault);
        case FaultKind::drained: return drain(fault);
        case FaultKind::blackout: return apply_blackout(fault);
        case FaultKind::full_disk:
            remark("the disk of " + name_of(a) + " is full");
            disk(a)->set_full(true);
            return scheduler_.after(fault.length, [this, a] {
                remark("the disk of " + name_of(a) + " has room again");
                disk(a)->set_full(false);
            });
    }
}

void Simulation::apply_crash(const Fault& fault) {
    if (is_worker(fault.host) && hosts_[fault.host]->alive()) ++kills_;
    if (fault.host >= disks_.size()) return crash(fault.host, fault.length, fault.flag);
    if (!hosts_[fault.host]->alive()) return;
    wall_clocks_[fault.host] += fault.jump;
    if (fault.jump.count() != 0)
        disturbances_.clocks_jumped += fault.jump.count() < 0 ? -fault.jump : fault.jump;
    static_cast<ServerProcess&>(*hosts_[fault.host]).arm(fault.moment, fault.length, fault.flag);
}

void Simulation::put_back(const Fault& fault) {
    if (!hosts_[fault.host]->alive()) return;
    crash(fault.host, fault.length, fault.flag);
    remark("the disk of " + name_of(fault.host) + " is put back");
    disk(fault.host)->put_back();
}

void Simulation::drain(const Fault& fault) {
    remark(name_of(fault.host) + " is drained");
    hosts_[fault.host]->drain(false);
    if (fault.length.count() == 0) return;
    scheduler_.after(fault.length, [this, process = hosts_[fault.host].get()] {
        remark(name_of(process->host()) + " is drained no longer");
        process->drain(true);
    });
}

/// Each comes back at a time of its own.
void Simulation::apply_blackout(const Fault& fault) {
    remark("a blackout");
    for (HostId host = 0; host < scenario_.hosts(); ++host) {
        if (host >= disks_.size() && !fault.flag) continue;
        if (host < disks_.size()) wall_clocks_[host] += fault.jump;
        Duration back = random_.duration(1us, fault.length);
        crash(host, back, random_.chance(50));
    }
    disturbances_.clocks_jumped += fault.jump.count() < 0 ? -fault.jump : fault.jump;
}

// --- the end

bool Simulation::drained() const {
    if (!checker_.all_finished()) return false;
    for (const auto& process : hosts_)
        if (!process->alive() || !process->leftovers().empty()) return false;
    return true;
}

void Simulation::judge_leftovers() {
    for (const auto& process : hosts_) {
        if (!process->alive()) checker_.complain(name_of(process->host()) + " is dead at the end");
        else if (auto left = process->leftovers(); !left.empty())
            checker_.complain(name_of(process->host()) + left);
    }
}

RunReport Simulation::run() {
    if (options_.prints) std::printf("%s", to_string(scenario_).c_str());
    for (HostId host = 0; host < scenario_.hosts(); ++host) start(host);
    arrange_faults();
    Time quiet = Time{} + scenario_.quiet_after;
    Time look = quiet;
    while (!stopped_ && scheduler_.step()) {
        if (scheduler_.now() < look) continue;
        look = scheduler_.now() + drained_again;
        if (drained()) break;
        if (scheduler_.now() < quiet + drain_time) continue;
        if (auto who = checker_.unfinished(); !who.empty()) checker_.complain("hangs: " + who);
        break;
    }
    if (stopped_) return {.complaints = checker_.complaints(), .hash = trace_.hash()};
    judge_leftovers();
    checker_.judge(disturbances_);
    std::uint64_t commits = 0, fetches = 0;
    for (const auto& one : disks_)
        if (one) commits += one->commits(), fetches += one->fetches();
    return {.complaints = checker_.complaints(),
            .hash = trace_.hash(),
            .executions = checker_.executions(),
            .delivered = checker_.delivered_fragments(),
            .faults = scenario_.faults.size(),
            .commits = commits,
            .fetches = fetches,
            .kills = kills_,
            .took = scheduler_.now() - Time{},
            .job_times = checker_.job_times()};
}

}  // namespace fanfold::simulation
