#include "gatherer/core/giving.hpp"

#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

void Giving::begin(Step& step, Job* job, const wire::HandOver& order) {
    wire::RowTaken refusal{.job = order.job, .handing = order.number};
    if (!job) refusal.refused = "it is not here", refusal.unknown = true;
    else if (!job->life.damage().empty()) refusal.refused = job->life.damage();
    else if (job->life.orphaned()) refusal.refused = "no broker knew it any more";
    if (!refusal.refused.empty()) return parts_.broker.send(step, std::move(refusal));
    Persistence::Snapshot rows = parts_.persistence.snapshot(*job);
    Handing handing{.handing = order.number};
    handing.before.assign(std::make_move_iterator(rows.before.begin()),
                          std::make_move_iterator(rows.before.end()));
    handing.behind.assign(std::make_move_iterator(rows.behind.begin()),
                          std::make_move_iterator(rows.behind.end()));
    handings_.insert_or_assign(job->id, std::move(handing));
    job->giving.emplace(wire::Collect{.job = job->id, .now = true, .credit = limits::handed_bytes},
                        job->assembly, step.lived);
    parts_.outcomes.forget(*job);
    step.actions.push_back(
        Note{.level = Level::debug, .what = "job is handed over", .job = job->id});
    pump(step, *job);
}

void Giving::send(Step& step, Handing& handing, Record row, std::uint64_t position) {
    const std::uint64_t bytes = row.data.size() + row.body.size() + limits::entry_bytes;
    handing.sent.push_back({++handing.number, bytes, position});
    handing.bytes += bytes;
    parts_.broker.send(step,
                       wire::HandedRow{.job = row.job,
                                       .handing = handing.handing,
                                       .number = handing.number,
                                       .form = row_format,
                                       .row = row.kind,
                                       .place = row.number,
                                       .data = std::move(row.data)},
                       std::move(row.body));
}

void Giving::send_all(Step& step, Handing& handing, std::deque<Record>& rows) {
    for (; !rows.empty() && has_room(handing); rows.pop_front())
        send(step, handing, std::move(rows.front()));
}

/// As a collector has them, in the order of storing. True once all have been sent.
bool Giving::send_entries(Step& step, Job& job, Handing& handing) {
    Collector& collector = *job.giving;
    while (has_room(handing)) {
        auto parcel = collector.next(job.assembly, true);
        if (!parcel) break;
        EntryRow row;
        if (auto* values = std::get_if<wire::Values>(&parcel->message))
            row = {.first = values->first, .count = values->count, .meta = values->meta};
        else if (auto* failures = std::get_if<wire::Failures>(&parcel->message))
            row = {.first = failures->failures.front().index,
                   .count = 1,
                   .meta = {},
                   .failure = failures->failures.front()};
        const std::uint64_t position = collector.position();
        send(step, handing, record_of(job.id, position - 1, row, std::move(parcel->body)),
             position);
    }
    parts_.memory.prefetch(step, job, Memory::giver, collector);
    return collector.exhausted(job.assembly, true);
}

void Giving::pump(Step& step, Job& job) {
    auto at = handings_.find(job.id);
    if (at == handings_.end() || !parts_.broker.can_send()) return;
    Handing& handing = at->second;
    if (!job.life.damage().empty())
        return parts_.broker.send(
            step, wire::RowTaken{
                      .job = job.id, .handing = handing.handing, .refused = job.life.damage()});
    send_all(step, handing, handing.before);
    if (!handing.before.empty() || !send_entries(step, job, handing)) return;
    send_all(step, handing, handing.behind);
    if (!handing.behind.empty() || std::exchange(handing.said_last, true)) return;
    handing.sent.push_back({.number = ++handing.number});
    parts_.broker.send(step, wire::HandedRow{.job = job.id,
                                             .handing = handing.handing,
                                             .number = handing.number,
                                             .form = row_format,
                                             .place = job.life.round().assignment,
                                             .last = true,
                                             .age = std::chrono::floor<wire::Milliseconds>(
                                                 step.now - job.life.round().opened)});
}

void Giving::on_taken(Step& step, Job& job, const wire::RowTaken& taken) {
    auto at = handings_.find(job.id);
    if (at == handings_.end() || at->second.handing != taken.handing) return;
    Handing& handing = at->second;
    while (!handing.sent.empty() && handing.sent.front().number <= taken.number) {
        const Sent& sent = handing.sent.front();
        handing.bytes -= sent.bytes;
        if (sent.position > 0) job.giving->acknowledge(sent.position, step.lived);
        handing.sent.pop_front();
    }
    pump(step, job);
}

bool Giving::end(Job& job) {
    if (handings_.erase(job.id) == 0) return false;
    job.giving.reset();
    return true;
}

std::vector<JobId> Giving::all() const {
    std::vector<JobId> jobs;
    for (const auto& [id, handing] : handings_) jobs.push_back(id);
    return jobs;
}

void Giving::check_invariants(const JobTable& jobs) const {
    for (const auto& [id, job] : jobs) FANFOLD_CHECK(job->is_leaving() == gives(id));
    for (const auto& [id, handing] : handings_) {
        FANFOLD_CHECK(jobs.contains(id));
        std::uint64_t sum = 0;
        for (const Sent& sent : handing.sent) sum += sent.bytes;
        FANFOLD_CHECK(sum == handing.bytes);
    }
}

}  // namespace fanfold::gatherer
