#include "tests/simulation/world.hpp"

namespace fanfold::simulation {

namespace {
constexpr Duration year_2026 = std::chrono::hours(24) * 365 * 56;

Random derived(std::uint64_t seed, std::uint64_t purpose) {
    return Random(seed * 0xd1342543de82ef95u + purpose);
}

Scenario scenario_of(const RunOptions& options) {
    if (options.scenario) return *options.scenario;
    return options.many_kills ? make_kills(options.seed) : make_scenario(options.seed);
}
constexpr double slowest_link = 200'000;  // bytes a second
}  // namespace

World::World(const RunOptions& options)
    : options_(options),
      scenario_(scenario_of(options)),
      random_(derived(options.seed, 1)),
      trace_(options.prints),
      saboteur_(options.bug),
      network_(scheduler_, derived(options.seed, 2), trace_, saboteur_,
               [this](HostId host) { return name_of(host); }),
      checker_(scenario_) {
    for (const JobPlan& job : scenario_.jobs) trace_.name_job(job.id, job.number);
    for (HostId a = 0; a < scenario_.hosts(); ++a)
        for (HostId b = 0; b < a; ++b)
            network_.set_delays(a, b, scenario_.least_delay, scenario_.most_delay);
    choose_slow_links(derived(options.seed, 3));
    network_.set_doubled(scenario_.doubled_percent);
    make_disks();
}

/// Of some workers and clients, in one run of five.
void World::choose_slow_links(Random random) {
    if (!random.chance(20)) return;
    for (HostId host = scenario_.worker(0); host < scenario_.hosts(); ++host) {
        if (!random.chance(50)) continue;
        const double rate = slowest_link * static_cast<double>(random.between(1, 20));
        for (HostId server = 0; server < scenario_.worker(0); ++server)
            network_.set_rate(host, server, rate);
    }
}

void World::make_disks() {
    for (HostId host = 0; host < scenario_.durable.size(); ++host) {
        disks_.emplace_back();
        Random random = derived(options_.seed, 100 + host);
        wall_clocks_.push_back(year_2026 + std::chrono::milliseconds(random.below(7'200'000)));
        if (!scenario_.durable[host]) continue;
        disks_.back() = std::make_unique<Disk>(scheduler_, random, options_.bug,
                                               scenario_.least_commit, scenario_.most_commit);
    }
}

std::chrono::milliseconds World::wall_clock(HostId host) const {
    return std::chrono::floor<std::chrono::milliseconds>(wall_clocks_[host] +
                                                         scheduler_.now().time_since_epoch());
}

World::~World() = default;

Sender World::sender(HostId host) const {
    if (host < scenario_.client(0)) return {};
    return {.user = (host - scenario_.client(0)) % 2 == 0 ? "ada" : "bob"};
}

std::string World::name_of(HostId host) const {
    if (host == scenario_.broker()) return "broker";
    if (host < scenario_.worker(0))
        return "gatherer-" + std::to_string(host - scenario_.gatherer(0));
    if (host < scenario_.client(0)) return "worker-" + std::to_string(host - scenario_.worker(0));
    return "client-" + std::to_string(host - scenario_.client(0));
}

void World::remark(const std::string& text) {
    trace_.add(scheduler_.now(), text, [&] { return "---- " + text; });
}

}  // namespace fanfold::simulation
