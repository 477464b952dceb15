#include "tests/bench/played_gatherer.hpp"

#include <stdexcept>
#include <utility>

namespace fanfold::bench {

namespace {
using namespace std::chrono_literals;
const PeerId collector{"collector"};
constexpr Duration between_runs = 10us;
constexpr Duration gatherer_beats = 400ms;

gatherer::Options options() {
    gatherer::Options options;
    options.self = {
        .name = "gatherer", .epoch = {.number = 0, .incarnation = 9}, .results = {}, .collect = {}};
    return options;
}
}  // namespace

PlayedGatherer::PlayedGatherer(GatheringPlan plan) : plan_(plan), core_(options()) {
    step(Tick{});
    step(gatherer::FromBroker{
        wire::Welcome{.epoch = {.number = 0, .incarnation = 1}, .heartbeat = 500ms, .timeout = 5s},
        {}});
    beat_at_ = now_ + gatherer_beats;
}

void PlayedGatherer::open(std::uint64_t total) {
    job_ = job_number(++jobs_);
    total_ = total;
    next_ = 0;
    concluded_ = false;
    wire::JobSpec spec{.function = "f", .attached = true, .lease = 10s, .ordered = true};
    std::optional<std::uint64_t> known;
    if (total > 0) known = total;
    step(gatherer::FromBroker{
        wire::Assign{.job = job_, .assignment = 1, .spec = spec, .total = known}, {}});
    step(Received{
        collector,
        wire::Collect{.job = job_, .ordered = true, .credit = limits::collector_credit_bytes},
        {}});
}

void PlayedGatherer::step(gatherer::Event event) {
    std::vector<gatherer::Action> actions;
    {
        Stopwatch watch(spent_);
        core_.step(now_, std::move(event), actions);
    }
    for (gatherer::Action& action : actions) {
        if (auto* send = std::get_if<Send>(&action)) answer(send->message);
        else if (auto* send_broker = std::get_if<gatherer::SendBroker>(&action))
            answer(send_broker->message);
    }
    while (!answers_.empty()) {
        for (gatherer::Event& each : std::exchange(answers_, {})) step(std::move(each));
    }
}

void PlayedGatherer::answer(wire::Message& message) {
    if (auto* values = std::get_if<wire::Values>(&message)) {
        delivered_ += values->count;
        answers_.emplace_back(Received{
            collector, wire::Acknowledge{.job = values->job, .position = values->position}, {}});
    } else if (auto* proposal = std::get_if<wire::Propose>(&message)) {
        answers_.emplace_back(gatherer::FromBroker{wire::Ended{.job = proposal->job,
                                                               .assignment = 1,
                                                               .outcome = proposal->outcome,
                                                               .total = total_,
                                                               .values = total_},
                                                   {}});
    } else if (auto* concluded = std::get_if<wire::Concluded>(&message)) {
        if (concluded->outcome != wire::Outcome::complete)
            throw std::runtime_error("the job ended otherwise: " + concluded->reason);
        concluded_ = true;
    }
}

void PlayedGatherer::beat() {
    beat_at_ = now_ + gatherer_beats;
    step(gatherer::FromBroker{wire::Heartbeat{}, {}});
    step(Received{collector, wire::Acknowledge{.job = job_, .position = 0}, {}});
}

void PlayedGatherer::take_run() {
    while (window_.size() < plan_.shuffled && (total_ == 0 || next_ < total_)) {
        Index end = next_ + plan_.run_fragments;
        if (total_ > 0) end = std::min<Index>(end, total_);
        window_.push_back({next_, end});
        next_ = end;
    }
    if (window_.empty()) return;
    std::swap(window_[random_.below(window_.size())], window_.back());
    Range range = window_.back();
    window_.pop_back();
    auto count = static_cast<std::uint32_t>(range.size());
    wire::Results results{
        .job = job_,
        .first = range.begin,
        .count = count,
        .meta = {.worker = "worker", .started = {}, .elapsed = wire::Microseconds{5000}}};
    step(Pulled{std::move(results), packed_fragments(count)});
    now_ += between_runs;
    if (now_ >= beat_at_) beat();
    if (now_ >= core_.next_wakeup()) step(Tick{});
}

void PlayedGatherer::run_to_end() {
    std::uint64_t before = delivered_;
    while (next_ < total_ || !window_.empty()) take_run();
    for (int tries = 0; tries < 1000 && !concluded_; ++tries) {
        now_ += 10ms;
        step(Tick{});
        if (now_ >= beat_at_) beat();
    }
    if (!concluded_ || delivered_ - before != total_)
        throw std::runtime_error("the job does not end");
}

}  // namespace fanfold::bench
