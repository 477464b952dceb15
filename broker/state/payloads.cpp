#include "broker/state/payloads.hpp"

#include <algorithm>
#include <utility>

#include "broker/state/text_bytes.hpp"
#include "shared/wire/fields.hpp"

namespace fanfold::broker {

Holding Payloads::holding_of(const Job& job) {
    Holding holding{.described = job.payload->spec_bytes + job.life->end.reason.size(),
                    .results = job.spec->attached ? 0 : job.assignment->held_bytes};
    holding.all = job.payload->blocks.bytes() + job.books.settled().errors().bytes() +
                  holding.described + holding.results;
    return holding;
}

void Payloads::weigh(Job& job) {
    job.payload.write()->spec_bytes = text_bytes(*job.spec);
    account(job);
}

void Payloads::account(Job& job) {
    Payload& payload = *job.payload.write();
    const FinalErrors& errors = job.books.settled().errors();
    auto change = [](std::uint64_t& sum, std::uint64_t& part, std::uint64_t now) {
        sum += now - std::exchange(part, now);  // a difference below zero wraps, and back
    };
    change(held_bytes_, payload.accounted_bytes, payload.blocks.held_bytes() + errors.held_bytes());
    change(output_bytes_, payload.output_bytes, errors.held_bytes());
    change(going_bytes_, payload.going_bytes, errors.batch().bytes);
    const Holding holding = holding_of(job);
    users_.hold(job, holding, payload.holding);
    payload.holding = holding;
}

/// New blocks take three quarters; the rest is for those that are fetched.
bool Payloads::short_of_memory(std::uint64_t more) const {
    return options_.durable && held_bytes_ + more > options_.memory_bytes / 4 * 3;
}

std::uint64_t Payloads::window(double mean_bytes) const {
    std::uint64_t share =
        options_.memory_bytes / 4 / std::max<std::size_t>(jobs_.running().size(), 1);
    const auto few = static_cast<std::uint64_t>(limits::window_fragments * mean_bytes);
    return std::clamp<std::uint64_t>(share, limits::block_bytes,
                                     std::max<std::uint64_t>(limits::job_credit_bytes, few));
}

bool Payloads::has_room(const Job* job, std::uint64_t bytes) const {
    const std::uint64_t waiting = persistence_.waiting_bytes();
    if (options_.durable) return waiting == 0 || waiting + bytes <= options_.memory_bytes / 2;
    const bool holds_none = !job || job->payload->blocks.held_bytes() == 0;
    const std::uint64_t most = holds_none ? options_.memory_bytes : options_.memory_bytes / 4 * 3;
    return held_bytes_ == 0 || held_bytes_ + bytes <= most;
}

void Payloads::add(Job& job, const wire::Block& block, Slice body) {
    Payload& payload = *job.payload.write();
    const std::uint64_t body_bytes = body.size();
    payload.accepted_bytes += body_bytes;
    payload.blocks.add(block, std::move(body));
    if (short_of_memory(body_bytes)) payload.blocks.spill(block.first);
    account(job);
}

void Payloads::restore_accepted(Job& job, std::uint64_t bytes) {
    Payload& payload = *job.payload.write();
    payload.freed_bytes += bytes - std::min(bytes, payload.accepted_bytes);
    payload.accepted_bytes = std::max(bytes, payload.accepted_bytes);
}

void Payloads::settle(Job& job, const std::vector<SettledRange>& settled) {
    Payload& payload = *job.payload.write();
    for (const auto& [range, failed, unwritten] : settled)
        payload.freed_bytes +=
            payload.blocks.let_go(range, unwritten || (failed && !job.spec->attached));
    if (!options_.durable) payload.blocks.take_freed();
    account(job);
}

void Payloads::need_again(Job& job, const std::vector<Range>& ranges) {
    Payload& payload = *job.payload.write();
    for (Range range : ranges) payload.freed_bytes -= payload.blocks.need_again(range);
    note_safe(job);
}

// --- from the store

void Payloads::prefetch(Step& step, Job& job, Index index) {
    for (Index first : job.payload.write()->blocks.prefetch(index, limits::blocks_ahead))
        persistence_.fetch_block(step, job, first);
}

void Payloads::lent(Step& step, Job& job, Range range) {
    if (!options_.durable || held_bytes_ <= options_.memory_bytes / 2) return;
    Blocks& blocks = job.payload.write()->blocks;
    if (range.end != blocks.block_end(range.begin)) return;
    blocks.spill_block_of(range.begin);
    if (auto next = job.books.queue().front(Queue::Kind::ordinary))
        prefetch(step, job, next->begin);
}

Payloads::Arrival Payloads::put_back(Job& job, Fetched& event) {
    Blocks& blocks = job.payload.write()->blocks;
    const Index first = event.record.number;
    if (!blocks.awaits(first)) return Arrival::not_awaited;
    auto row = event.sound ? wire::fields::decode_fields<rows::Block>(event.record.data)
                           : fail("it fails its checksum");
    if (!row) return Arrival::damaged;
    if (!blocks.put_back({.first = first, .count = row->count, .cuts = std::move(row->cuts)},
                         std::move(event.record.body)))
        return Arrival::damaged;
    account(job);
    make_room(job, first);
    return Arrival::sound;
}

/// For a block that came from the store: the jobs that hold most give up their last blocks.
void Payloads::make_room(const Job& fetched, Index first) {
    while (held_bytes_ > options_.memory_bytes) {
        // With a store, jobs that have ended hold nothing.
        auto most = std::ranges::max_element(jobs_.running(), {}, [this](const JobId& id) {
            return jobs_.at(id).payload->blocks.held_bytes();
        });
        Job& job = jobs_.at(*most);
        std::uint64_t before = held_bytes_;
        std::uint64_t bytes =
            std::max(held_bytes_ - options_.memory_bytes, job.payload->blocks.held_bytes() / 8);
        job.payload.write()->blocks.spill_from_end(
            bytes, &job == &fetched ? std::optional(first) : std::nullopt);
        account(job);
        if (held_bytes_ == before) return;  // one that is larger than all memory
    }
}

// --- outputs

void Payloads::spill_outputs(Job& job) {
    account(job);
    if (!short_of_memory(0)) return;
    job.books.errors().spill(held_bytes_ - options_.memory_bytes / 4 * 3);
    account(job);
}

bool Payloads::outputs_full(const Job& job) const {
    const Settled& settled = job.books.settled();
    if (settled.failed().empty()) return false;
    if (settled.errors().bytes() > limits::unsafe_results_bytes) return true;
    return options_.durable ? persistence_.waiting_bytes() > options_.memory_bytes / 2
                            : output_bytes_ > options_.memory_bytes / 4;
}

// --- what is safe

void Payloads::flush_safe(Step& step) {
    for (const JobId& id : std::exchange(unsaved_, {}))
        if (Job* job = jobs_.find_running(id)) persistence_.safe(step, *job, take_freed(*job));
}

// --- ended

void Payloads::close(Job& job, bool keep) {
    Blocks& blocks = job.payload.write()->blocks;
    if (keep) blocks.retain(job.books.settled().safe());
    else blocks.clear();
    if (options_.durable) blocks.spill_all();
    else if (!blocks.empty()) retained_.push_back(job.id);
    account(job);
}

void Payloads::clear(Job& job) {
    job.payload.write()->blocks.clear();
    account(job);
}

void Payloads::reopen(Job& job) {
    Payload& payload = *job.payload.write();
    payload.freed_bytes =
        payload.accepted_bytes - payload.blocks.reopen(job.books.settled().safe());
    account(job);
}

void Payloads::forget(const Job& job) {
    held_bytes_ -= job.payload->accounted_bytes;
    output_bytes_ -= job.payload->output_bytes;
    going_bytes_ -= job.payload->going_bytes;
    users_.hold(job, {}, job.payload->holding);
}

void Payloads::drop_retained() {
    while (!retained_.empty() && held_bytes_ > options_.memory_bytes / 4) {
        Job* job = jobs_.find(retained_.front());
        retained_.pop_front();
        if (job && !job->running()) clear(*job);
    }
}

void Payloads::drop_retained_of(const std::string& user) {
    if (options_.durable) return;
    std::erase_if(retained_, [&](const JobId& id) {
        Job* job = jobs_.find(id);
        if (!job || job->running() || job->user != user) return false;
        clear(*job);
        return true;
    });
}

void Payloads::check_invariants() const {
    std::uint64_t held = 0, outputs = 0, going = 0;
    for (const auto& [id, job] : jobs_.all()) {
        const Payload& payload = *job.payload;
        const FinalErrors& errors = job.books.settled().errors();
        FANFOLD_CHECK(payload.accounted_bytes == payload.blocks.held_bytes() + errors.held_bytes());
        FANFOLD_CHECK(payload.output_bytes == errors.held_bytes());
        FANFOLD_CHECK(payload.going_bytes == errors.batch().bytes);
        FANFOLD_CHECK(payload.holding == holding_of(job));
        FANFOLD_CHECK(payload.freed_bytes <= payload.accepted_bytes);
        held += payload.accounted_bytes;
        outputs += payload.output_bytes;
        going += payload.going_bytes;
    }
    FANFOLD_CHECK(held == held_bytes_ && outputs == output_bytes_ && going == going_bytes_);
}

}  // namespace fanfold::broker
