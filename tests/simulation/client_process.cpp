#include "tests/simulation/client_process.hpp"

#include <algorithm>

#include "shared/wire/codec.hpp"
#include "tests/simulation/world.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
constexpr int watch_tries = 30;  // of a job that its owner may not have opened yet
constexpr Duration watch_again = 1s;
}  // namespace

ClientProcess::ClientProcess(World& world, HostId host, std::uint32_t number)
    : Process(world, host),
      number_(number),
      core_({.broker = "broker",
             .name = world.name_of(host),
             .epoch = {.number = 0, .incarnation = world.chance().next()}}) {}

void ClientProcess::start() {
    Time begin = world_.scheduler().now();
    auto arrange = [&](Duration at, std::function<void()> what) {
        input_after(std::max<Duration>(Time{} + at - begin, 300ms), std::move(what));
    };
    connect();
    for (const JobPlan& job : world_.scenario().jobs) {
        // What an earlier life was to do it has done, or it is lost with it.
        if (job.client == number_ && begin < Time{} + job.open_at && !job.follows)
            arrange(job.open_at, [this, &job] { open(job); });
        for (const CollectorPlan& other : job.others)
            if (other.client == number_)
                arrange(other.at, [this, &job, &other] { watch(job, other, watch_tries); });
    }
}

void ClientProcess::connect() {
    if (control_ != 0) world_.network().close(control_, false);
    if (blocks_ != 0) world_.network().close(blocks_, false);
    blocks_ = 0;
    self_ = random_peer('c');
    control_ = world_.network().connect(
        host(), {world_.scenario().broker(), Port::control}, self_,
        guarded([this](Arrival arrival) {
            if (arrival.is_part) return;  // it has none for clients
            step(scatterer::FromBroker{std::move(arrival.message), std::move(arrival.body)});
        }));
    input([this] { step(scatterer::ControlOpened{self_}); });
}

void ClientProcess::close_sockets(bool silently) {
    world_.network().close(control_, silently);
    if (blocks_ != 0) world_.network().close(blocks_, silently);
    for (auto& [name, gatherer] : gatherers_) world_.network().close(gatherer.connection, silently);
    for (auto& [job, user] : users_)
        if (!user.collector->finished()) user.collector->died = true;
}

std::string ClientProcess::leftovers() const {
    return core_.job_count() == 0 ? std::string()
                                  : " remembers " + std::to_string(core_.job_count()) + " jobs";
}

ClientProcess::User* ClientProcess::find(const JobId& job) {
    auto it = users_.find(job);
    return it == users_.end() ? nullptr : &it->second;
}

// --- what users do

void ClientProcess::open(const JobPlan& plan) {
    User& user = users_[plan.id];
    user.plan = &plan;
    user.how = &plan.owner;
    user.owner = true;
    user.collector = &world_.checker().begin(plan, world_.name_of(host()) + " (owner)",
                                             world_.scheduler().now());
    user.collector->owner = true;
    user.collector->collects = plan.collected_by_owner;
    user.collector->ordered = plan.owner.ordered;
    world_.checker().opened(plan, world_.scheduler().now());
    std::optional<scatterer::CollectHow> how;
    bool from_start = plan.collected_by_owner && (plan.collected_from_start || plan.spec.attached);
    if (from_start) how = {.ordered = plan.owner.ordered, .now = false};
    step(
        scatterer::OpenJob{.job = plan.id, .token = plan.token, .spec = plan.spec, .collect = how});
    if (plan.cancel_at)
        input_after(*plan.cancel_at - plan.open_at, [this, &plan] {
            step(scatterer::CancelJob{plan.id, "somebody changed their mind"});
        });
    if (!plan.dropped.empty())
        input_after(plan.drop_at - plan.open_at, [this, &plan] {
            step(scatterer::Ask{
                plan.number, wire::CancelFragments{
                                 .job = plan.id, .reason = "of no use", .ranges = {plan.dropped}}});
        });
    append(plan);
}

void ClientProcess::append(const JobPlan& plan) {
    User* user = find(plan.id);
    if (!user || user->collector->finished()) return;
    scatterer::PackedBlock block{.first = user->appended, .cuts = {}, .body = {}};
    std::string body;
    while (user->appended < plan.count && block.count < plan.block_fragments) {
        auto offset = static_cast<std::uint32_t>(body.size());
        if (block.count > 0 && block.count % limits::cut_stride == 0)
            for (int shift = 0; shift < 32; shift += 8)
                block.cuts += static_cast<char>(offset >> shift);
        body += plan.payload(user->appended++);
        ++block.count;
    }
    bool last = user->appended == plan.count;
    if (block.count > 0) {
        block.body = Slice::take(std::move(body));
        std::optional<std::uint64_t> total;
        if (last && plan.sealed_by_last_block && !plan.sealing_fails) total = plan.count;
        step(scatterer::AppendBlock{.job = plan.id, .block = std::move(block), .total = total});
    }
    if (last) input_after(plan.block_pause, [this, &plan] { seal(plan); });
    else input_after(plan.block_pause, [this, &plan] { append(plan); });
}

void ClientProcess::seal(const JobPlan& plan) {
    User* user = find(plan.id);
    if (!user || user->collector->finished()) return;
    if (!plan.sealing_fails) step(scatterer::SealJob{plan.id, plan.count});
    if (!plan.collected_by_owner || plan.collected_from_start || plan.spec.attached) return;
    user->collector->since = world_.scheduler().now();
    step(scatterer::CollectJob{plan.id, {.ordered = plan.owner.ordered, .now = false}});
}

void ClientProcess::watch(const JobPlan& plan, const CollectorPlan& how, int patience) {
    User* before = find(plan.id);
    if (before && (before->owner || !before->collector->finished()))
        return;  // one at a time for each job
    User& user = users_[plan.id];
    user = User{};
    user.plan = &plan;
    user.how = &how;
    user.patience = patience;
    user.collector = &world_.checker().begin(
        plan, world_.name_of(host()) + " (try " + std::to_string(watch_tries - patience + 1) + ")",
        world_.scheduler().now());
    user.collector->collects = true;
    user.collector->ordered = how.ordered;
    step(scatterer::WatchJob{plan.id});
    step(scatterer::CollectJob{plan.id, {.ordered = how.ordered, .now = false}});
}

void ClientProcess::deliver(const JobId& job, scatterer::Receipt receipt, std::uint64_t bytes) {
    User& user = users_.at(job);
    user.waiting.push_back(receipt);
    user.waiting_bytes.push_back(bytes);
    if (std::exchange(user.busy, true)) return;
    input_after(world_.chance().duration(user.how->consume_least, user.how->consume_most),
                [this, job] { consume(job); });
}

void ClientProcess::consume(const JobId& job) {
    User* user = find(job);
    if (!user || user->waiting.empty()) return;
    scatterer::Receipt receipt = user->waiting.front();
    std::uint64_t bytes = user->waiting_bytes.front();
    user->waiting.pop_front();
    user->waiting_bytes.pop_front();
    user->busy = !user->waiting.empty();
    user->collector->consumed_at = world_.scheduler().now();
    if (user->busy)
        input_after(world_.chance().duration(user->how->consume_least, user->how->consume_most),
                    [this, job] { consume(job); });
    step(scatterer::Consumed{job, receipt, bytes});
    if (user = find(job); user) let_go_when_done(*user);
}

void ClientProcess::let_go_when_done(User& user) {
    if (user.collector->finished() && user.waiting.empty())
        step(scatterer::CloseJob{user.plan->id});
}

void ClientProcess::take_word(User& user, const wire::Concluded& end) {
    world_.remark(world_.name_of(host()) + " has the last word on job #" +
                  std::to_string(user.plan->number) + ": " + wire::to_string(end.outcome) +
                  (end.reason.empty() ? "" : ", " + end.reason));
    world_.checker().concluded(*user.collector, end, world_.scheduler().now());
    std::uint32_t ended = user.plan->number;
    let_go_when_done(user);
    for (const JobPlan& job : world_.scenario().jobs)
        if (job.follows == ended && job.client == number_) open(job);
}

void ClientProcess::take_refusal(User& user, const std::string& text) {
    world_.remark(world_.name_of(host()) + " is refused job #" + std::to_string(user.plan->number) +
                  ": " + text);
    bool too_early = !user.owner && user.patience > 0 && text.find("no job") != std::string::npos;
    if (too_early) {
        user.collector->died = true;
        input_after(watch_again, [this, plan = user.plan, how = user.how,
                                  patience = user.patience - 1] { watch(*plan, *how, patience); });
    } else {
        world_.checker().refused(*user.collector, text, world_.scheduler().now());
    }
    let_go_when_done(user);
}

// --- the shell

void ClientProcess::step(scatterer::Event event) {
    std::vector<scatterer::Action> actions;
    core_.step(now(), std::move(event), actions);
    for (scatterer::Action& action : actions)
        if (alive()) act(action);
    tick_soon();
}

void ClientProcess::send_gatherer(const scatterer::SendGatherer& send) {
    if (send.to.collect.empty())
        return world_.checker().complain("a client is sent to a gatherer without an address");
    auto it = gatherers_.find(send.to.name);
    if (it != gatherers_.end() && it->second.epoch != send.to.epoch) {
        world_.network().close(it->second.connection, false);
        gatherers_.erase(it);
        it = gatherers_.end();
    }
    if (it == gatherers_.end()) {
        scatterer::GathererKey key = scatterer::key_of(send.to);
        auto handler = guarded([this, key](Arrival arrival) {
            auto at = gatherers_.find(key.name);
            if (at == gatherers_.end() || at->second.epoch != key.epoch) return;
            if (arrival.is_part) return step(scatterer::GathererSends{key});
            if (world_.bug() == Bug::position_ignored) return take_unquestioned(arrival);
            step(scatterer::FromGatherer{key, std::move(arrival.message), std::move(arrival.body)});
        });
        ConnectionId connection = world_.network().connect(
            host(), parse_endpoint(send.to.collect.front()), random_peer('c'), handler);
        it = gatherers_.emplace(send.to.name, Gatherer{key.epoch, connection}).first;
    }
    world_.network().send(it->second.connection, send.message, {});
}

/// A collector that takes whatever comes: the core only hears how it ends.
void ClientProcess::take_unquestioned(const Arrival& arrival) {
    if (auto* values = std::get_if<wire::Values>(&arrival.message)) {
        if (User* user = find(values->job))
            world_.checker().delivered(*user->collector, values->first, values->count,
                                       arrival.body.view());
    } else if (auto* failures = std::get_if<wire::Failures>(&arrival.message)) {
        if (User* user = find(failures->job))
            for (const auto& failure : failures->failures)
                world_.checker().failed(*user->collector, failure);
    } else if (auto* end = std::get_if<wire::Concluded>(&arrival.message)) {
        if (User* user = find(end->job); user && !user->collector->finished())
            take_word(*user, *end);
    }
}

struct ClientProcess::Acts {
    ClientProcess& self;
    void operator()(scatterer::SendBroker& send) {
        self.world_.network().send(self.control_, send.message, {});
    }
    void operator()(scatterer::PushBlock& push) {
        self.world_.network().send(self.blocks_, push.message, push.body);
    }
    void operator()(scatterer::PushMark& push) {
        self.world_.network().send(self.blocks_, push.message, {});
    }
    void operator()(scatterer::SendGatherer& send) { self.send_gatherer(send); }
    void operator()(scatterer::Reconnect&) { self.connect(); }
    void operator()(scatterer::Connected& connected) {
        if (self.blocks_ == 0)
            self.blocks_ = self.world_.network().connect(
                self.host(), parse_endpoint(connected.welcome.blocks.front()), {}, [](Arrival) {});
    }
    void operator()(scatterer::ConnectionFailed&) {}
    void operator()(scatterer::Deliver& part) {
        User* user = self.find(part.job);
        if (!user) return;
        self.world_.checker().delivered(*user->collector, part.first, part.count, part.body.view());
        self.deliver(part.job, part.receipt, part.body.size());
    }
    void operator()(scatterer::DeliverFailure& part) {
        User* user = self.find(part.job);
        if (!user) return;
        self.world_.checker().failed(*user->collector, part.failure);
        self.deliver(part.job, part.receipt, part.output.size());
    }
    void operator()(scatterer::JobRoom&) {}
    void operator()(scatterer::JobSealed& sealed) {
        if (User* user = self.find(sealed.job); user && user->owner)
            self.world_.checker().sealed(*user->plan);
        let_go(sealed.job);
    }
    void operator()(scatterer::JobLocated&) {}
    void operator()(scatterer::JobEnded& ended) { let_go(ended.job); }
    void operator()(scatterer::JobConcluded& concluded) {
        if (User* user = self.find(concluded.job)) self.take_word(*user, concluded.end);
    }
    void operator()(scatterer::JobRefused& refused) {
        if (User* user = self.find(refused.job)) self.take_refusal(*user, refused.text);
    }
    void operator()(scatterer::JobNotice&) {}
    void operator()(scatterer::ConnectionNotice&) {}
    void operator()(scatterer::Answer&) {}
    void operator()(Note&) {}

    /// Who does not collect goes when the job is handed over.
    void let_go(const JobId& job) {
        User* user = self.find(job);
        if (!user || user->collector->collects || user->collector->finished()) return;
        user->collector->died = true;
        self.step(scatterer::CloseJob{job});
    }
};

void ClientProcess::act(scatterer::Action& action) { std::visit(Acts{*this}, action); }

}  // namespace fanfold::simulation
