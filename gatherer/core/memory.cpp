#include "gatherer/core/memory.hpp"

#include <algorithm>

#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

void Memory::account(Job& job) {
    const Assembly& assembly = job.assembly;
    MemoryShare& share = job.share;
    held_bytes_ += assembly.held_bytes() - share.held;  // a difference below zero wraps, and back
    memory_bytes_ += assembly.memory_bytes() - share.memory;
    share.held = assembly.held_bytes();
    share.memory = assembly.memory_bytes();
    std::uint64_t bodies = persistence_.durable() ? assembly.bodies_bytes() : 0;
    if (bodies == share.bodies) return;
    with_bodies_.erase({share.bodies, job.id});
    if (bodies > 0) with_bodies_.emplace(std::pair{bodies, job.id}, &job);
    share.bodies = bodies;
}

void Memory::forget(Job& job) {
    account(job);
    for (auto at = fetching_.lower_bound({job.id, 0});
         at != fetching_.end() && at->first.first == job.id; ++at)
        at->second.stale = true;
}

// The job that has most in memory goes first.
void Memory::make_room(std::uint64_t more) {
    while (pressure() + more > limit_ && !with_bodies_.empty()) {
        Job& job = *with_bodies_.rbegin()->second;
        spill_one(job);
        account(job);
    }
}

// What all collectors have been sent goes first; then from the end, which is the farthest from
// those that collect.
void Memory::spill_one(Job& job) {
    const auto& bodies = job.assembly.bodies();
    Index first = job.assembly.order().at(*bodies.begin());
    const Entry& oldest = job.assembly.entries().at(first);
    bool sent = (job.is_leaving() || !job.collectors.empty()) &&
                (!job.is_leaving() || job.giving->is_past(first, oldest)) &&
                std::all_of(job.collectors.begin(), job.collectors.end(),
                            [&](const auto& item) { return item.second.is_past(first, oldest); });
    job.assembly.spill(sent ? *bodies.begin() : *bodies.rbegin());
}

bool Memory::has_room(std::uint64_t bytes) {
    if (persistence_.waiting_bytes() == 0) return true;
    make_room(bytes);
    return pressure() + bytes <= limit_;
}

bool Memory::can_take(std::uint64_t bytes) {
    make_room();
    return memory_bytes_ + (persistence_.durable() ? 0 : bytes) <= limit_;
}

bool Memory::is_full() {
    make_room();
    return memory_bytes_ > limit_;
}

Job* Memory::heaviest(const JobTable& jobs) const {
    std::uint64_t staying = memory_bytes_;
    Job* most = nullptr;
    for (const auto& [id, job] : jobs) {
        if (job->life.lost()) staying -= job->share.memory;
        if (job->life.gathering() && !job->is_leaving() &&
            (!most || job->share.memory > most->share.memory))
            most = job.get();
    }
    return staying > limit_ && most && most->share.memory > 0 ? most : nullptr;
}

std::string Memory::reason_to_lose(const Job& job) const {
    const char* what =
        persistence_.durable() ? " bytes of what must be known of results" : " bytes of results";
    const char* way_out =
        persistence_.durable()
            ? "; run the job in larger pieces, or raise the gatherer's --memory"
            : "; collect the job while it runs (fanfold map), or raise the gatherer's --memory";
    return "the gatherer's memory is full: " + std::to_string(memory_bytes_) + what +
           " are held, " + std::to_string(job.share.memory) +
           " of them of this job, and --memory is " + std::to_string(limit_) + way_out;
}

void Memory::prefetch(Step& step, Job& job, const PeerId& peer, Collector& collector) {
    for (const auto& needed : collector.needed(job.assembly, job.life.ended())) {
        if (fetching_.contains({job.id, needed.sequence})) continue;
        if (queued_.empty() && fetch(step, job.id, needed)) continue;
        if (!collector.queued()) queued_.emplace_back(job.id, peer);
        collector.mark_queued(true);
        return;
    }
}

/// False: too much is on its way already.
bool Memory::fetch(Step& step, const JobId& job, const Collector::Needed& needed) {
    if (!fetching_.empty() && fetching_bytes_ + needed.bytes > limit_ / limits::fetching_share)
        return false;
    fetching_.emplace(std::pair{job, needed.sequence}, Fetching{.bytes = needed.bytes});
    fetching_bytes_ += needed.bytes;
    step.actions.push_back(Fetch{
        .job = job, .kind = static_cast<std::uint8_t>(Row::entry), .number = needed.sequence});
    return true;
}

void Memory::prefetch_for_queued(Step& step, const JobTable& jobs) {
    for (; !queued_.empty() && !persistence_.troubled(); queued_.pop_front()) {
        const auto& [id, peer] = queued_.front();
        auto job = jobs.find(id);
        Collector* collector = job == jobs.end() ? nullptr : find(*job->second, peer);
        if (!collector) continue;
        for (const auto& needed :
             collector->needed(job->second->assembly, job->second->life.ended()))
            if (!fetching_.contains({id, needed.sequence}) && !fetch(step, id, needed)) return;
        collector->mark_queued(false);
    }
}

Collector* Memory::find(Job& job, const PeerId& peer) {
    if (peer == giver) return job.is_leaving() ? &*job.giving : nullptr;
    auto at = job.collectors.find(peer);
    return at == job.collectors.end() ? nullptr : &at->second;
}

bool Memory::take(Job* job, const Fetched& event) {
    auto asked = fetching_.find({event.record.job, event.record.number});
    if (asked == fetching_.end()) return true;
    bool stale = asked->second.stale;
    fetching_bytes_ -= asked->second.bytes;
    fetching_.erase(asked);
    if (!job || stale) return true;
    std::uint64_t sequence = event.record.number;
    auto place = job->assembly.order().find(sequence);
    if (place == job->assembly.order().end() || !job->assembly.entries().at(place->second).spilled)
        return true;
    auto row = event.sound ? read_row(event.record) : fail("no such row");
    auto* entry = row ? std::get_if<EntryRow>(&*row) : nullptr;
    if (!entry || !job->assembly.put_back(sequence, *entry, event.record.body)) return false;
    account(*job);
    return true;
}

void Memory::check_invariants(std::initializer_list<const JobTable*> tables) const {
    std::uint64_t held = 0;
    std::uint64_t memory = 0;
    std::size_t bodies = 0;
    for (const JobTable* jobs : tables) {
        for (const auto& [id, job] : *jobs) {
            const MemoryShare& share = job->share;
            FANFOLD_CHECK(share.held == job->assembly.held_bytes());
            FANFOLD_CHECK(share.memory == job->assembly.memory_bytes());
            FANFOLD_CHECK(persistence_.durable() || share.memory == share.held);
            FANFOLD_CHECK(with_bodies_.contains({share.bodies, id}) == (share.bodies > 0));
            held += share.held;
            memory += share.memory;
            bodies += share.bodies > 0 ? 1 : 0;
        }
    }
    FANFOLD_CHECK(held == held_bytes_ && memory == memory_bytes_ && bodies == with_bodies_.size());
    FANFOLD_CHECK(with_bodies_.empty() || pressure() <= limit_);
    std::uint64_t fetching = 0;
    for (const auto& [row, asked] : fetching_) fetching += asked.bytes;
    FANFOLD_CHECK(fetching == fetching_bytes_);
    FANFOLD_CHECK(fetching_.size() <= 1 || fetching <= limit_ / limits::fetching_share);
    FANFOLD_CHECK(queued_.empty() || !fetching_.empty() || persistence_.troubled());
}

}  // namespace fanfold::gatherer
