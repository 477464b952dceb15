#include "tests/simulation/worker_process.hpp"

#include "shared/wire/codec.hpp"
#include "tests/simulation/world.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
constexpr Duration stopping_most = 100ms;  // what a task takes to notice that it is stopped
constexpr Duration heeded_after = 200us;   // by a handler that looks whether it is stopped
constexpr Duration stuck_most = 8s;        // what a handler that overran takes to return
}  // namespace

WorkerProcess::WorkerProcess(World& world, HostId host, const WorkerPlan& plan)
    : Process(world, host),
      core_({.name = world.name_of(host),
             .epoch = {.number = 0, .incarnation = world.chance().next()},
             .slots = plan.slots,
             .functions = plan.functions}) {}

void WorkerProcess::start() {
    connect();
    input([this] { step(Tick{}); });
}

void WorkerProcess::connect() {
    if (control_ != 0) world_.network().close(control_, false);
    self_ = random_peer('w');
    control_ = world_.network().connect(
        host(), {world_.scenario().broker(), Port::control}, self_,
        guarded([this](Arrival arrival) {
            if (arrival.is_part) return step(Arriving{});
            step(worker::FromBroker{std::move(arrival.message), std::move(arrival.body)});
        }));
}

void WorkerProcess::close_sockets(bool silently) {
    world_.network().close(control_, silently);
    for (auto& [name, gatherer] : gatherers_) world_.network().close(gatherer.connection, silently);
}

void WorkerProcess::reach(HostId other, bool reached) {
    const std::string endpoint = to_string(Endpoint{other, Port::results});
    input([this, name = world_.name_of(other), endpoint, reached] {
        step(Reach{.gatherer = name, .endpoint = endpoint, .reached = reached});
    });
}

std::string WorkerProcess::leftovers() const {
    std::string text;
    if (core_.held() > 0) text += " holds " + std::to_string(core_.held()) + " fragments";
    if (core_.kept_bytes() > 0)
        text += " keeps " + std::to_string(core_.kept_bytes()) + " bytes of results";
    return text;
}

void WorkerProcess::step(worker::Event event) {
    std::vector<worker::Action> actions;
    core_.step(now(), std::move(event), actions);
    for (worker::Action& action : actions)
        if (alive()) act(action);
}

void WorkerProcess::act(worker::Action& action) {
    struct Acts {
        WorkerProcess& self;
        void operator()(worker::SendBroker& send) {
            self.world_.network().send(self.control_, send.message, send.body);
            auto* done = std::get_if<wire::Done>(&send.message);
            if (!done || self.world_.bug() != Bug::released_before_gathered) return;
            for (const auto& run : done->runs)
                self.input_after(1us, [this_ = &self, run] {
                    this_->step(worker::FromBroker{wire::Release{{{run.job, {run.range}}}}, {}});
                });
        }
        void operator()(worker::PushResults& results) {
            self.push(results.to, results.message, results.body);
        }
        void operator()(worker::PushMark& push) {
            push.mark.owner = self.self_;
            self.push(push.to, push.mark, {});
        }
        void operator()(worker::Run& run) { self.run(std::move(run.task)); }
        void operator()(worker::Stop& stop) {
            Running* running = self.find(stop.task);
            if (!running) return;
            running->stopped = true;
            if (running->plan->heeds_stops)
                self.input_after(heeded_after,
                                 [this_ = &self, task = stop.task] { this_->give_up(task); });
        }
        void operator()(worker::Trim& trim) { self.trim(trim); }
        void operator()(worker::Check&) {
            self.input_after(1us, [this_ = &self] { this_->step(worker::Checked{}); });
        }
        void operator()(worker::Reconnect&) { self.connect(); }
        void operator()(worker::Leave& leave) { self.leave(leave.error); }
        void operator()(Note&) {}
    };
    std::visit(Acts{*this}, action);
}

void WorkerProcess::push(const wire::GathererRef& to, const wire::Message& message,
                         const Slice& body) {
    if (to.results.empty())
        return world_.checker().complain("a worker is sent to a gatherer without an address");
    auto it = gatherers_.find(to.name);
    if (it != gatherers_.end() && it->second.epoch != to.epoch) {
        world_.network().close(it->second.connection, false);
        gatherers_.erase(it);
        it = gatherers_.end();
    }
    if (it == gatherers_.end()) {
        ConnectionId connection = world_.network().connect(
            host(), parse_endpoint(to.results.front()), {}, [](Arrival) {});
        it = gatherers_.emplace(to.name, Gatherer{to.epoch, connection}).first;
    }
    world_.network().send(it->second.connection, message, body);
}

void WorkerProcess::leave(const std::string& error) {
    world_.remark(world_.name_of(host()) + " leaves: " + error);
    world_.ended(host());
}

// --- the executor

WorkerProcess::Running* WorkerProcess::find(std::uint64_t number) {
    auto it = tasks_.find(number);
    return it == tasks_.end() ? nullptr : &it->second;
}

void WorkerProcess::run(worker::Task task) {
    std::uint64_t number = task.number;
    Running& running = tasks_[number];
    running.task = std::move(task);
    running.plan = world_.checker().plan_of(running.task.job);
    running.rest = running.task.body.view();
    running.unsent_first = running.task.first;
    running.reported = world_.scheduler().now();
    if (!running.plan) return world_.checker().complain("a worker runs a job that nobody has");
    input_after(1us, [this, number] { begin_fragment(number); });
}

/// What has not begun is given up. The answer comes a little later, as from other threads.
void WorkerProcess::trim(const worker::Trim& trim) {
    Range given_up{};
    Running* running = find(trim.task);
    if (running && !running->stopped) {
        Index next = running->task.first + running->done + 1;
        Range asked{std::max(trim.from, next), running->task.first + running->task.count};
        if (!asked.empty())
            given_up = asked,
            running->task.count = static_cast<std::uint32_t>(asked.begin - running->task.first);
    }
    input_after(1us, [this, number = trim.task, given_up] {
        step(worker::Trimmed{number, given_up});
    });
}

void WorkerProcess::begin_fragment(std::uint64_t number) {
    Running* running = find(number);
    if (!running) return;
    Index index = running->task.first + running->done;
    if (running->stopped || running->done == running->task.count) {
        report(number);
        return finish(number);
    }
    std::string expected = running->plan->payload(index);
    if (!running->rest.starts_with(expected))
        world_.checker().complain("fragment " + std::to_string(index) + " has another's payload");
    running->rest.remove_prefix(std::min(expected.size(), running->rest.size()));
    world_.checker().executed(*running->plan, index, running->task.count == 1);
    FragmentPlan plan = running->plan->fragment(index);
    bool slow = plan.behaviour == Behaviour::overruns || plan.behaviour == Behaviour::sticks;
    Duration work = slow ? Duration(running->task.spec.timeout) : plan.work;
    if (const auto& time = running->plan->time)
        work = time({.index = index,
                     .attempt = running->task.attempt,
                     .worker = host() - world_.scenario().worker(0)});
    input_after(work,
                [this, number, behaviour = plan.behaviour] { end_fragment(number, behaviour); });
}

void WorkerProcess::end_fragment(std::uint64_t number, Behaviour behaviour) {
    Running* running = find(number);
    if (!running) return;
    Index index = running->task.first + running->done;
    ++running->done;
    switch (behaviour) {
        case Behaviour::value: take_value(*running, index); break;
        case Behaviour::flaky:
            if (running->task.attempt > 1) take_value(*running, index);
            else fail(number, index, wire::FailureKind::failed, "not the first time");
            break;
        case Behaviour::fails: fail(number, index, wire::FailureKind::failed, "never"); break;
        case Behaviour::overruns:
        case Behaviour::sticks: return overrun(number, *running, behaviour, index);
        case Behaviour::kills: return world_.kill(host());
    }
    if (running = find(number); !running || !alive()) return;
    if (world_.scheduler().now() - running->reported > limits::flush_interval ||
        world_.chance().chance(5))
        report(number);
    if (running = find(number); running && alive()) {
        if (running->stopped)
            input_after(world_.chance().duration(1us, stopping_most),
                        [this, number] { begin_fragment(number); });
        else begin_fragment(number);
    }
}

void WorkerProcess::overrun(std::uint64_t number, Running& running, Behaviour behaviour,
                            Index index) {
    if (behaviour == Behaviour::overruns) {
        fail(number, index, wire::FailureKind::timeout, "took too long");
        if (alive()) begin_fragment(number);
        return;
    }
    running.stopped = true;
    report(number);
    step(worker::Overran{number, index});
    if (alive())
        input_after(world_.chance().duration(10ms, stuck_most), [this, number] { finish(number); });
}

void WorkerProcess::take_value(Running& running, Index index) {
    if (running.unsent_count == 0) running.unsent_first = index;
    ++running.unsent_count;
    running.unsent += running.plan->value(index);
}

void WorkerProcess::fail(std::uint64_t number, Index index, wire::FailureKind kind,
                         const std::string& message) {
    report(number);
    if (alive())
        step(worker::Failed{number, {.index = index, .kind = kind, .message = message}, {}});
}

void WorkerProcess::report(std::uint64_t number) {
    Running* running = find(number);
    if (!running || running->unsent_count == 0) return;
    Time since = std::exchange(running->reported, world_.scheduler().now());
    worker::Values values{
        .task = number,
        .first = running->unsent_first,
        .count = std::exchange(running->unsent_count, 0),
        .body = Slice::take(std::exchange(running->unsent, {})),
        .elapsed = std::chrono::floor<wire::Microseconds>(running->reported - since)};
    step(std::move(values));
}

/// It is stopped in the middle of a fragment.
void WorkerProcess::give_up(std::uint64_t number) {
    report(number);
    finish(number);
}

void WorkerProcess::finish(std::uint64_t number) {
    if (!find(number) || !alive()) return;
    tasks_.erase(number);
    step(worker::Finished{number});
}

}  // namespace fanfold::simulation
