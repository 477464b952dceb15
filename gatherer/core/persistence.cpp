#include "gatherer/core/persistence.hpp"

#include <algorithm>
#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/wire/fields.hpp"

namespace fanfold::gatherer {

using std::chrono::milliseconds;

namespace {

constexpr auto let_go_kinds = static_cast<std::size_t>(LetGo::count);

EntryRow entry_row(Index first, const Entry& entry) {
    EntryRow row{.first = first, .count = entry.count, .meta = entry.meta};
    if (entry.failure) row.failure = *entry.failure;
    return row;
}

/// What is let go of, as rows of limited length, each with its number.
std::vector<std::pair<std::uint64_t, LetGoRow>> let_go_rows(const Job& job) {
    std::vector<std::pair<std::uint64_t, LetGoRow>> rows;
    for (std::size_t what = 0; what < let_go_kinds; ++what) {
        auto ranges = job.assembly.receipts().let_go(static_cast<LetGo>(what)).ranges();
        std::uint64_t number = what;
        for (auto begin = ranges.begin(); begin != ranges.end(); number += let_go_kinds) {
            auto left = static_cast<std::size_t>(ranges.end() - begin);
            auto end = begin + static_cast<std::ptrdiff_t>(std::min(limits::let_go_ranges, left));
            rows.emplace_back(number,
                              LetGoRow{.round = job.life.round().number, .ranges = {begin, end}});
            begin = end;
        }
    }
    return rows;
}

}  // namespace

bool Persistence::on_trouble(Step& step, const StoreTrouble& event) {
    bool troubled = !event.text.empty();
    if (troubled)
        step.actions.push_back(Note{
            .level = Level::error, .what = "the state can't be written", .detail = event.text});
    const bool was_troubled = !std::exchange(trouble_, event.text).empty();
    if (!was_troubled || troubled) return false;
    step.actions.push_back(Note{.level = Level::info, .what = "the state can be written again"});
    return true;
}

wire::Milliseconds Persistence::since_1970(Time time) const {
    auto since =
        std::chrono::duration_cast<milliseconds>(time.time_since_epoch()) + options_.steady_began;
    return std::max<wire::Milliseconds>(since, milliseconds(0));
}

std::uint64_t Persistence::first_sequence(Time now) const {
    // A million for each millisecond of a life, which nobody stores.
    const auto moment = static_cast<std::uint64_t>(since_1970(now).count());
    return std::min(moment << 20, limits::last_sequence / 2);
}

Time Persistence::time_of(wire::Milliseconds since_1970) const {
    auto known = std::clamp<milliseconds>(since_1970, milliseconds(0), limits::latest);
    return Time{} + (known - options_.steady_began);
}

template <class T>
void Persistence::put(Step& step, const JobId& job, std::uint64_t number, const T& row,
                      Slice body) {
    if (options_.durable) put(step, record_of(job, number, row, std::move(body)));
}

void Persistence::put(Step& step, Record record) {
    if (!options_.durable) return;
    waiting_bytes_ += record.body.size();
    step.actions.push_back(std::move(record));
}

void Persistence::put_broker(Step& step, const Epoch& epoch) {
    put(step, {}, 0, BrokerRow{.epoch = epoch});
}

JobRow Persistence::row_of(const Job& job) const {
    const Life::Round& round = job.life.round();
    return {.assignment = round.assignment,
            .spec = job.assembly.spec(),
            .user = job.user,
            .total = job.assembly.total(),
            .round_start = round.start,
            .opened = since_1970(round.opened)};
}

void Persistence::put_job(Step& step, const Job& job) {
    if (options_.durable) put(step, job.id, job.life.round().number, row_of(job));
}

void Persistence::put_entries(Step& step, const Job& job, std::uint64_t from_sequence) {
    if (!options_.durable) return;
    const auto& order = job.assembly.order();
    for (auto at = order.lower_bound(from_sequence); at != order.end(); ++at) {
        const Entry& entry = job.assembly.entries().at(at->second);
        put(step, job.id, at->first, entry_row(at->second, entry), entry.body);
    }
}

void Persistence::put_proposal(Step& step, const Job& job) {
    const Verdict& verdict = job.life.verdict();
    put(step, job.id, job.life.round().number,
        ProposalRow{.outcome = verdict.outcome, .reason = verdict.reason, .lost = job.life.lost()});
}

void Persistence::put_outcome(Step& step, const Job& job) {
    if (!options_.durable) return;
    const Verdict& verdict = job.life.verdict();
    put(step, job.id, job.life.round().number,
        OutcomeRow{
            .outcome = verdict.outcome, .reason = verdict.reason, .missing = job.life.missing()});
}

void Persistence::put_answered(Step& step, const Job& job, wire::Outcome outcome) {
    put(step, job.id, job.life.round().number, AnsweredRow{.outcome = outcome});
}

void Persistence::put_orphaned(Step& step, const Job& job) {
    put(step, job.id, 0, OrphanedRow{.at = since_1970(step.now)});
}

void Persistence::note_let_go(Job& job, const Entry& entry) {
    if (!options_.durable) return;
    job.let_going.sequences.push_back(entry.sequence);
    job.let_going.bytes += entry.body_bytes;
}

void Persistence::put_let_go(Step& step, Job& job, bool at_once) {
    LetGoing& going = job.let_going;
    bool enough = at_once || going.sequences.size() >= limits::let_go_entries ||
                  going.bytes >= limits::let_go_bytes;
    if (going.sequences.empty() || !enough) return;
    put(step, job.id, 0, SequenceRow{.next = job.assembly.next_sequence()});
    for (const auto& [number, row] : let_go_rows(job)) put(step, job.id, number, row);
    std::vector<RowName> gone;
    for (std::uint64_t sequence : std::exchange(going.sequences, {}))
        gone.push_back({Row::entry, sequence});
    going.bytes = 0;
    erase(step, job.id, gone);
}

std::vector<RowName> Persistence::rows_of_round(const Job& job) const {
    if (!options_.durable) return {};
    std::uint32_t round = job.life.round().number;
    std::vector<RowName> rows{
        {Row::job, round}, {Row::proposal, round}, {Row::outcome, round}, {Row::answered, round}};
    if (job.life.orphaned()) rows.push_back({Row::orphaned, 0});
    for (std::size_t what = 0; what < let_go_kinds; ++what) {
        if (static_cast<LetGo>(what) == LetGo::values) continue;
        std::size_t ranges =
            job.assembly.receipts().let_go(static_cast<LetGo>(what)).ranges().size();
        std::uint64_t number = what;
        for (std::size_t at = 0; at < ranges; at += limits::let_go_ranges, number += let_go_kinds)
            rows.push_back({Row::let_go, number});
    }
    for (const auto& [first, entry] : job.assembly.entries())
        if (entry.failure) rows.push_back({Row::entry, entry.sequence});
    return rows;
}

// With the job's row the new round begins. What is left of the old one is known by its round, or by
// coming before the new one's first sequence.
void Persistence::put_round(Step& step, const Job& job, const std::vector<RowName>& old) {
    put(step, job.id, 0, SequenceRow{.next = job.life.round().start});
    put_job(step, job);
    erase(step, job.id, old);
}

Persistence::Snapshot Persistence::snapshot(const Job& job) const {
    const Life& life = job.life;
    const std::uint32_t round = life.round().number;
    const Verdict& verdict = life.verdict();
    JobRow unfinished = row_of(job);
    unfinished.assignment = 0;
    Snapshot rows{.before = {record_of(job.id, round, unfinished),
                             record_of(job.id, 0, SequenceRow{job.assembly.next_sequence()})}};
    for (const auto& [number, row] : let_go_rows(job))
        rows.before.push_back(record_of(job.id, number, row));
    if (life.phase() == Phase::proposed || life.lost())
        rows.behind.push_back(
            record_of(job.id, round, ProposalRow{verdict.outcome, verdict.reason, life.lost()}));
    if (life.ended())
        rows.behind.push_back(
            record_of(job.id, round, OutcomeRow{verdict.outcome, verdict.reason, life.missing()}));
    if (life.answered())
        rows.behind.push_back(record_of(job.id, round, AnsweredRow{verdict.outcome}));
    return rows;
}

void Persistence::erase(Step& step, const JobId& job, const std::vector<RowName>& rows) {
    if (!options_.durable) return;
    for (RowName row : rows)
        step.actions.push_back(Persist{.change = Record::Change::erase,
                                       .job = job,
                                       .kind = static_cast<std::uint8_t>(row.kind),
                                       .number = row.number});
}

void Persistence::erase_job(Step& step, const JobId& job) {
    if (options_.durable)
        step.actions.push_back(Persist{.change = Record::Change::erase_job, .job = job});
}

}  // namespace fanfold::gatherer
