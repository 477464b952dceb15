// What is in memory, and what is in the store alone. With a store every entry is a row of its own
// from the moment it is stored, so that the memory of its body can be let go of at any time
// ("spilled") and the body be fetched when a collector comes to it.
#include <algorithm>
#include <limits>
#include <utility>

#include "gatherer/core/job.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::gatherer {

namespace {

constexpr std::uint64_t fetching_share =
    4;  // of the memory, what may be on its way from the store: one part in so many

}  // namespace

void Core::account(Job& job) {
    const Assembly& assembly = job.assembly;
    Accounted now{.held = assembly.held_bytes(),
                  .memory = assembly.memory_bytes(),
                  .bodies = options_.durable ? assembly.bodies_bytes() : 0};
    const Accounted& before = job.accounted;
    held_bytes_ += now.held - before.held;  // a difference below zero wraps, and back
    memory_bytes_ += now.memory - before.memory;
    if (now.bodies != before.bodies) {
        with_bodies_.erase({before.bodies, job.id});
        if (now.bodies > 0) with_bodies_.insert({now.bodies, job.id});
    }
    job.accounted = now;
}

/// Spills bodies until so many bytes more have room, or none is left. The job that has most in
/// memory goes first.
void Core::make_room(std::uint64_t more) {
    while (pressure() + more > options_.memory_bytes && !with_bodies_.empty()) {
        Job& job = *jobs_.at(with_bodies_.rbegin()->second);
        spill_one(job);
        account(job);
    }
}

/// What all collectors have been sent goes first; then from the end, which is the farthest from
/// those that collect.
void Core::spill_one(Job& job) {
    const auto& bodies = job.assembly.bodies();
    Index first = job.assembly.order().at(*bodies.begin());
    const Entry& oldest = job.assembly.entries().at(first);
    bool sent = !job.collectors.empty() &&
                std::all_of(job.collectors.begin(), job.collectors.end(),
                            [&](const auto& item) { return item.second.is_past(first, oldest); });
    job.assembly.spill(sent ? *bodies.begin() : *bodies.rbegin());
}

/// Whether a result of this size can be taken. One that can't stays with its sender, which sends it
/// again. While nothing waits for the disk there is always room: so each gets in at last.
bool Core::has_room(std::uint64_t bytes) {
    if (waiting_bytes_ == 0) return true;
    make_room(bytes);
    return pressure() + bytes <= options_.memory_bytes;
}

void Core::handle(Step&, Committed& event) { waiting_bytes_ = event.waiting_bytes; }

// Over the limit, with nothing left to spill, first jobs go that no broker knows any more, then the
// running job that takes most, and the next, until what stays fits.
void Core::relieve_memory(Step& step) {
    make_room();
    if (memory_bytes_ <= options_.memory_bytes || troubled_) return;
    for (auto at = jobs_.begin(); at != jobs_.end() && memory_bytes_ > options_.memory_bytes;) {
        Job& job = *(at++)->second;
        if (job.orphaned && job.accounted.memory > 0) forget(step, job);
    }
    std::uint64_t staying = memory_bytes_;
    for (const auto& [id, job] : jobs_)
        if (job->lost) staying -= job->accounted.memory;
    while (staying > options_.memory_bytes) {
        Job* most = nullptr;
        for (const auto& [id, job] : jobs_)
            if (job->phase == Phase::gathering &&
                (!most || job->accounted.memory > most->accounted.memory))
                most = job.get();
        if (!most || most->accounted.memory == 0) return;
        staying -= most->accounted.memory;
        const char* what =
            options_.durable ? " bytes of what must be known of results" : " bytes of results";
        const char* way_out =
            options_.durable
                ? "; run the job in larger pieces, or raise the gatherer's --memory"
                : "; collect the job while it runs (fanfold map), or raise the gatherer's --memory";
        propose_lost(step, *most,
                     "the gatherer's memory is full: " + std::to_string(memory_bytes_) + what +
                         " are held, " + std::to_string(most->accounted.memory) +
                         " of them of this job, and --memory is " +
                         std::to_string(options_.memory_bytes) + way_out);
    }
}

/// The job can't keep its values: it fails, and lets go of them when the broker knows.
void Core::propose_lost(Step& step, Job& job, std::string reason) {
    FANFOLD_CHECK(job.phase == Phase::gathering);
    job.lost = true;
    job.phase = Phase::proposed;
    job.verdict = {.outcome = wire::Outcome::failed, .reason = std::move(reason)};
    persist_proposal(step, job);
    if (!job.unconfirmed.empty()) flush(step, job);
    send_proposal(step, job);
}

// --- fetching
// ---------------------------------------------------------------------------------------------------

/// Asks for what the collector comes to next. What is on its way for all of them is bounded: who
/// finds no room waits in a queue.
void Core::fetch(Step& step, Job& job, const PeerId& peer, Collector& collector) {
    for (const auto& wanted : collector.wanted(job.assembly, job.phase == Phase::ended)) {
        if (fetching_.contains({job.id, wanted.sequence})) continue;
        if (queued_.empty() && ask_for(step, job.id, wanted.sequence, wanted.bytes)) continue;
        if (!collector.queued()) queued_.emplace_back(job.id, peer);
        collector.mark_queued(true);
        return;
    }
}

bool Core::ask_for(Step& step, const JobId& job, std::uint64_t sequence, std::uint64_t bytes) {
    if (!fetching_.empty() && fetching_bytes_ + bytes > options_.memory_bytes / fetching_share)
        return false;
    fetching_.emplace(std::pair{job, sequence}, Fetching{.bytes = bytes});
    fetching_bytes_ += bytes;
    step.actions.push_back(
        Fetch{.job = job, .kind = static_cast<std::uint8_t>(Row::entry), .number = sequence});
    return true;
}

/// In the order of the queue: who comes first is served first, however much it wants.
void Core::fetch_for_queued(Step& step) {
    for (; !queued_.empty() && !troubled_; queued_.pop_front()) {
        Job* job = find(queued_.front().first);
        if (!job) continue;
        auto at = job->collectors.find(queued_.front().second);
        if (at == job->collectors.end()) continue;
        for (const auto& wanted : at->second.wanted(job->assembly, job->phase == Phase::ended))
            if (!fetching_.contains({job->id, wanted.sequence}) &&
                !ask_for(step, job->id, wanted.sequence, wanted.bytes))
                return;
        at->second.mark_queued(false);
    }
}

void Core::handle(Step& step, Fetched& event) {
    auto asked = fetching_.find({event.record.job, event.record.number});
    if (asked == fetching_.end()) return;
    bool stale = asked->second.stale;
    fetching_bytes_ -= asked->second.bytes;
    fetching_.erase(asked);
    Job* job = find(event.record.job);
    if (!job) return;
    std::uint64_t sequence = event.record.number;
    auto place = job->assembly.order().find(sequence);
    // It may be let go of meanwhile.
    if (!stale && place != job->assembly.order().end() &&
        job->assembly.entries().at(place->second).spilled) {
        auto row = event.sound ? wire::decode(event.record.data) : fail("no such row");
        if (!row || !job->assembly.put_back(sequence, *row, event.record.body))
            return on_damage(step, *job, sequence);
        account(*job);
    }
    pump(step, *job);
}

/// A value that was safe is gone. Nobody is shown the rest as if it were all.
void Core::on_damage(Step& step, Job& job, std::uint64_t sequence) {
    Index first = job.assembly.order().at(sequence);
    Range range{first, first + job.assembly.entries().at(first).count};
    job.damage = "the gatherer's state " +
                 (options_.state.empty() ? std::string{} : "in " + options_.state + " ") +
                 "is damaged: what was kept of fragments " + to_string({range}) +
                 " can't be read; restore the folder from a backup, or run the job again";
    step.actions.push_back(Note{.level = Level::error,
                                .what = "a result can't be read back from the store",
                                .job = job.id,
                                .range = range,
                                .detail = job.damage});
    if (job.phase == Phase::gathering) propose_lost(step, job, job.damage);
    for (const auto& [peer, collector] : job.collectors)
        if (!collector.concluded()) refuse_for_damage(step, job, peer);
    std::erase_if(job.collectors, [](const auto& item) { return !item.second.concluded(); });
}

void Core::refuse_for_damage(Step& step, const Job& job, const PeerId& peer) {
    step.actions.push_back(
        Send{.to = peer,
             .message = wire::Refused{.code = wire::RefusalCode::conflict,
                                      .text = "job " + to_string(job.id) + ": " + job.damage,
                                      .job = job.id}});
}

void Core::check_memory() const {
    Accounted sum;
    for (const auto& [id, job] : jobs_) {
        FANFOLD_CHECK(job->accounted.held == job->assembly.held_bytes());
        FANFOLD_CHECK(job->accounted.memory == job->assembly.memory_bytes());
        FANFOLD_CHECK(options_.durable || job->accounted.memory == job->accounted.held);
        FANFOLD_CHECK(with_bodies_.contains({job->accounted.bodies, id}) ==
                      (job->accounted.bodies > 0));
        sum.held += job->accounted.held;
        sum.memory += job->accounted.memory;
        sum.bodies += job->accounted.bodies > 0 ? 1 : 0;
    }
    FANFOLD_CHECK(sum.held == held_bytes_ && sum.memory == memory_bytes_ &&
                  sum.bodies == with_bodies_.size());
    FANFOLD_CHECK(with_bodies_.empty() || pressure() <= options_.memory_bytes);
    std::uint64_t fetching = 0;
    for (const auto& [row, asked] : fetching_) fetching += asked.bytes;
    FANFOLD_CHECK(fetching == fetching_bytes_);
    FANFOLD_CHECK(fetching_.size() <= 1 || fetching <= options_.memory_bytes / fetching_share);
    FANFOLD_CHECK(queued_.empty() || !fetching_.empty() || troubled_);
}

}  // namespace fanfold::gatherer
