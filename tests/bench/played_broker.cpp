#include "tests/bench/played_broker.hpp"

#include <algorithm>
#include <stdexcept>

namespace fanfold::bench {

namespace {
using namespace std::chrono_literals;
const PeerId client{"client"}, gatherer{"gatherer"};
constexpr Duration beat_interval = 400ms;
constexpr std::uint64_t runs_of_a_confirmation = 64;

PeerId worker_id(std::uint32_t number) {
    std::string digits = std::to_string(number);
    return {"worker-" + std::string(6 - digits.size(), '0') + digits};
}

std::vector<wire::JobRanges> sorted(const std::map<JobId, RangeSet>& sets) {
    std::vector<wire::JobRanges> all;
    for (const auto& [job, set] : sets)
        if (!set.empty()) all.push_back({job, set.ranges()});
    return all;
}
}  // namespace

PlayedBroker::PlayedBroker(FleetPlan plan)
    : plan_(plan),
      core_({.epoch = {.number = 0, .incarnation = 1},
             .blocks = {"inproc://blocks"},
             .memory_bytes = plan.memory}) {
    const Epoch epoch{.number = 0, .incarnation = 9};
    say(About::time, client,
        wire::Hello{.role = wire::Role::client, .name = "client", .epoch = epoch});
    say(About::time, gatherer,
        wire::Hello{.role = wire::Role::gatherer,
                    .name = "gatherer",
                    .epoch = epoch,
                    .gatherer = {.name = "gatherer", .epoch = epoch}});
    workers_.resize(plan.workers);
    for (std::uint32_t number = 0; number < plan.workers; ++number) {
        PeerId id = worker_id(number);
        workers_[number].id = id;
        workers_by_id_[id] = number;
        say(About::time, id,
            wire::Hello{.role = wire::Role::worker,
                        .name = id.bytes,
                        .epoch = epoch,
                        .slots = plan.slots,
                        .functions = {"f"}});
    }
    beat_at_ = now_ + beat_interval;
}

Spent PlayedBroker::spent() const {
    Spent all;
    for (const Spent& each : spent_) all.time += each.time, all.steps += each.steps;
    return all;
}

void PlayedBroker::step(About about, broker::Event event) {
    std::vector<broker::Action> actions;
    {
        Stopwatch watch(spent_[static_cast<std::size_t>(about)]);
        core_.step(now_, std::move(event), actions);
    }
    for (broker::Action& action : actions)
        if (auto* send = std::get_if<Send>(&action)) take(*send);
    while (!recalls_.empty()) {
        auto [worker, recall] = std::move(recalls_.front());
        recalls_.pop_front();
        take(worker, recall);
    }
}

void PlayedBroker::take(Send& send) {
    if (auto it = workers_by_id_.find(send.to); it != workers_by_id_.end()) {
        if (auto* dispatch = std::get_if<wire::Dispatch>(&send.message))
            take(it->second, *dispatch);
        else if (auto* release = std::get_if<wire::Release>(&send.message))
            take(it->second, *release);
        else if (auto* drop = std::get_if<wire::Drop>(&send.message))
            workers_[it->second].books.erase(drop->job);
        else if (auto* recall = std::get_if<wire::Recall>(&send.message))
            recalls_.emplace_back(it->second, std::move(*recall));
    } else if (auto* accepted = std::get_if<wire::Accepted>(&send.message)) {
        Job& its = job(accepted->job);
        if (accepted->next < its.appended) throw std::runtime_error("a block was not accepted");
        open_ += accepted->next - its.accepted;
        most_open_ = std::max(most_open_, open_);
        its.accepted = accepted->next;
        its.limit = std::max(its.limit, accepted->limit);
    } else if (auto* ended = std::get_if<wire::Ended>(&send.message);
               ended && send.to == gatherer) {
        if (ended->outcome != wire::Outcome::complete)
            throw std::runtime_error("a job ended otherwise: " + ended->reason);
        ++ended_;
    } else if (auto* refused = std::get_if<wire::Refused>(&send.message)) {
        throw std::runtime_error("refused: " + refused->text);
    }
}

// --- workers

void PlayedBroker::take(std::uint32_t number, const wire::Dispatch& dispatch) {
    Worker& worker = workers_[number];
    Range range{dispatch.first, dispatch.first + dispatch.count};
    worker.handled = dispatch.sequence;
    worker.queue.push_back({dispatch.job, range});
    worker.books[dispatch.job].held.add(range);
    job(dispatch.job).sent += dispatch.count;
    start(number);
}

void PlayedBroker::start(std::uint32_t number) {
    Worker& worker = workers_[number];
    while (worker.busy < plan_.slots && !worker.queue.empty()) {
        Chunk chunk = worker.queue.front();
        worker.queue.pop_front();
        ++worker.busy;
        Duration busy(static_cast<std::int64_t>(static_cast<double>(plan_.each.count()) *
                                                static_cast<double>(chunk.range.size()) *
                                                (0.5 + random_.fraction())));
        endings_.push({now_ + busy, ++started_, number, chunk, busy});
    }
}

void PlayedBroker::take(std::uint32_t number, const wire::Release& release) {
    Worker& worker = workers_[number];
    for (const auto& item : release.items) {
        auto books = worker.books.find(item.job);
        if (books == worker.books.end()) continue;
        for (Range range : item.ranges) books->second.kept.remove(range);
        if (books->second.kept.empty() && books->second.held.empty()) worker.books.erase(books);
    }
}

void PlayedBroker::take(std::uint32_t number, const wire::Recall& recall) {
    Worker& worker = workers_[number];
    std::map<JobId, RangeSet> given;
    for (const auto& item : recall.items)
        for (Range range : item.ranges) given[item.job].add(range);
    std::map<JobId, RangeSet> back;
    std::deque<Chunk> rest;
    for (const Chunk& chunk : worker.queue) {
        auto wanted = given.find(chunk.job);
        if (wanted == given.end()) {
            rest.push_back(chunk);
            continue;
        }
        for (Range range : wanted->second.within(chunk.range)) {
            back[chunk.job].add(range);
            worker.books[chunk.job].held.remove(range);
            job(chunk.job).sent -= range.size();
        }
        for (Range range : wanted->second.missing(chunk.range)) rest.push_back({chunk.job, range});
    }
    worker.queue = std::move(rest);
    say(About::decision, worker.id, wire::Done{.recalled = sorted(back), .recall = recall.number});
}

bool PlayedBroker::finish_next() {
    if (endings_.empty()) return false;
    Ending ending = endings_.top();
    endings_.pop();
    now_ = ending.when;
    if (now_ >= beat_at_) beat();
    Worker& worker = workers_[ending.worker];
    --worker.busy;
    start(ending.worker);  // what is queued there does not wait for the broker
    Books& books = worker.books[ending.chunk.job];
    books.held.remove(ending.chunk.range);
    books.kept.add(ending.chunk.range);
    Job& its = job(ending.chunk.job);
    if (its.unconfirmed.empty()) to_confirm_.push_back(its.id);
    its.unconfirmed.add(ending.chunk.range);
    finished_job_ = its.number;
    wire::DoneRun run{.job = its.id,
                      .range = ending.chunk.range,
                      .busy = std::chrono::ceil<wire::Microseconds>(ending.busy),
                      .bytes = ending.chunk.range.size() * packed_bytes};
    say(About::decision, worker.id, wire::Done{.runs = {run}});
    if (++unconfirmed_runs_ >= runs_of_a_confirmation) confirm();
    return true;
}

void PlayedBroker::tell_inventory(std::uint32_t number) {
    const Worker& worker = workers_[number];
    wire::Heartbeat heartbeat{.handled = worker.handled};
    for (const auto& [job, books] : worker.books) {
        if (!books.held.empty()) heartbeat.held.push_back({job, books.held.ranges()});
        if (!books.kept.empty()) heartbeat.kept.push_back({job, books.kept.ranges()});
    }
    say(About::inventory, worker.id, std::move(heartbeat));
}

void PlayedBroker::beat() {
    beat_at_ = now_ + beat_interval;
    say(About::time, client, wire::Heartbeat{});
    say(About::time, gatherer, wire::Heartbeat{});
    for (std::uint32_t number = 0; number < workers_.size(); ++number) tell_inventory(number);
    step(About::time, Tick{});
}

// --- the client and the gatherer

void PlayedBroker::open(std::uint64_t number, std::uint64_t total, std::uint32_t block_fragments) {
    Job& made = jobs_[number];
    made.id = job_number(number);
    made.number = number;
    made.total = total;
    made.block_fragments = block_fragments;
    numbers_[made.id] = number;
    feed(number);
}

bool PlayedBroker::feed(std::uint64_t number) {
    Job& its = jobs_.at(number);
    std::uint64_t left =
        its.total == 0 ? its.block_fragments
                       : std::min<std::uint64_t>(its.block_fragments, its.total - its.appended);
    if (left == 0 || its.bytes > its.limit) return false;
    wire::Block block{.job = its.id,
                      .token = 1,
                      .first = its.appended,
                      .count = static_cast<std::uint32_t>(left),
                      .stride = limits::cut_stride};
    if (its.appended == 0)
        block.spec = wire::JobSpec{.function = "f",
                                   .attached = true,
                                   .lease = 10s,
                                   .owner = client,
                                   .preferred_gatherer = "gatherer"};
    its.appended += left;
    its.bytes += left * packed_bytes;
    if (its.appended == its.total) block.total = its.total;
    within_core = true;  // a block's cuts belong to the broker's books
    block.cuts = packed_cuts(block.count);
    within_core = false;
    Slice body = packed_fragments(block.count);
    step(About::block, Pulled{std::move(block), std::move(body)});
    return true;
}

void PlayedBroker::confirm() {
    unconfirmed_runs_ = 0;
    for (const JobId& id : std::exchange(to_confirm_, {})) {
        Job& its = job(id);
        std::uint64_t count = its.unconfirmed.size();
        wire::Gathered gathered{.job = id, .ranges = its.unconfirmed.ranges()};
        its.unconfirmed.clear();
        its.confirmed += count;
        open_ -= std::min(open_, count);
        say(About::confirmation, gatherer, std::move(gathered));
        if (its.confirmed != its.total || std::exchange(its.proposed, true)) continue;
        say(About::confirmation, gatherer,
            wire::Propose{.job = id,
                          .assignment = 1,
                          .outcome = wire::Outcome::complete,
                          .every_value = true});
    }
}

std::uint64_t PlayedBroker::waiting(std::uint64_t number) const {
    const Job& its = jobs_.at(number);
    return its.appended - its.sent;
}

void PlayedBroker::run_to_end() {
    for (;;) {
        for (auto& [number, its] : jobs_)
            while (feed(number)) {
            }
        if (finish_next()) continue;
        confirm();
        if (all_ended()) return;
        now_ += 10ms;
        step(About::time, Tick{});
        if (now_ >= beat_at_) beat();
        if (endings_.empty() && now_ > Time{} + 100h)
            throw std::runtime_error("the jobs don't go on");
    }
}

}  // namespace fanfold::bench
