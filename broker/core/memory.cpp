// Payloads within --memory. With a store, what exceeds it is there alone, and is fetched when its
// turn comes; without one, blocks stay with their senders.
#include <algorithm>

#include "broker/core/core.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::broker {

namespace {
constexpr std::size_t blocks_ahead = 4;  // fetched before they are wanted
}

void Core::account(Job& job) {
    held_bytes_ += job.payloads().held_bytes() -
                   job.accounted_bytes;  // a difference below zero wraps, and back
    job.accounted_bytes = job.payloads().held_bytes();
    if (!job.tenant) return;
    job.tenant->held_bytes += job.payloads().bytes() - job.tenant_bytes;
    job.tenant_bytes = job.payloads().bytes();
}

/// New blocks take three quarters; the rest is for those that are fetched.
bool Core::short_of_memory(std::uint64_t more) const {
    return options_.durable && held_bytes_ + more > options_.memory_bytes / 4 * 3;
}

/// What one job may send ahead.
std::uint64_t Core::window() const {
    std::uint64_t share = options_.memory_bytes / 4 / std::max<std::size_t>(running_.size(), 1);
    return std::clamp<std::uint64_t>(share, limits::block_bytes, limits::job_credit_bytes);
}

/// Whether another block can be taken; a job that holds nothing here may always have one, so that
/// each goes on.
bool Core::has_room(const Job& job) const {
    std::uint64_t taken = waiting_bytes_ + (options_.durable ? 0 : held_bytes_);
    return taken < options_.memory_bytes / (options_.durable ? 2 : 1) ||
           (!options_.durable && job.payloads().held_bytes() == 0);
}

void Core::spill_new(Job& job, Index first) {
    if (short_of_memory(job.payloads().held_bytes() - job.accounted_bytes))
        job.payloads().spill(first);
    account(job);
}

/// For a block that came from the store: the jobs that hold most give up their last blocks.
void Core::make_room(Job& fetched, Index first) {
    while (held_bytes_ > options_.memory_bytes) {
        // With a store, jobs that have ended hold nothing.
        auto most = std::ranges::max_element(
            running_, {}, [this](const JobId& id) { return jobs_.at(id).accounted_bytes; });
        Job& job = jobs_.at(*most);
        std::uint64_t before = held_bytes_;
        std::uint64_t bytes =
            std::max(held_bytes_ - options_.memory_bytes, job.accounted_bytes / 8);
        job.payloads().spill_from_end(bytes,
                                      &job == &fetched ? std::optional(first) : std::nullopt);
        account(job);
        if (held_bytes_ == before) return;  // one that is larger than all memory
    }
}

/// Without a store, what only a retry would need stays while there is room.
void Core::drop_retained() {
    while (!retained_.empty() && held_bytes_ > options_.memory_bytes / 4) {
        Job* job = find(retained_.front());
        retained_.pop_front();
        if (!job || job->running()) continue;
        job->payloads().clear();
        account(*job);
    }
}

void Core::want(Job& job, Index index) {
    for (Index first : job.payloads().want(index, blocks_ahead))
        actions_->push_back(
            Fetch{.job = job.id, .kind = static_cast<std::uint8_t>(Row::block), .number = first});
}

/// A block of which all is lent makes room for the next ones, which are fetched ahead.
void Core::pass_on(Job& job, Range lent) {
    Index end = job.payloads().block_end(lent.begin);
    if (lent.end != end) return;
    job.payloads().spill_block_of(lent.begin);
    if (auto next = job.head(Job::Queue::ordinary)) want(job, next->first);
}

void Core::on(Fetched& event) {
    Job* job = find(event.record.job);
    if (!job || !job->running()) return;
    auto message = event.sound ? wire::decode(event.record.data) : fail("it fails its checksum");
    auto* block = message ? std::get_if<wire::Block>(&*message) : nullptr;
    if (!job->payloads().awaits(event.record.number)) return;
    if (!block || !job->payloads().put_back(*block, std::move(event.record.body))) {
        note({.level = Level::error,
              .what = "a block can't be read back from the store",
              .job = job->id});
        return end(*job, wire::Outcome::failed,
                   "the broker's state is damaged: a block of the job can't be read back", true);
    }
    account(*job);
    make_room(*job, event.record.number);
    ready(*job);
}

void Core::on(Committed& event) { waiting_bytes_ = event.waiting_bytes; }

}  // namespace fanfold::broker
