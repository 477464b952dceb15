#include "broker/state/persistence.hpp"

#include <algorithm>
#include <utility>

#include "shared/wire/fields.hpp"

namespace fanfold::broker {

std::uint64_t Persistence::since_1970(Time moment) const {
    auto since = options_.started_since_1970 +
                 std::chrono::floor<std::chrono::milliseconds>(moment - options_.started);
    return static_cast<std::uint64_t>(since.count());
}

Time Persistence::moment_of(std::uint64_t since_1970) const {
    auto now = static_cast<std::uint64_t>(options_.started_since_1970.count());
    return options_.started - std::chrono::milliseconds(now - std::min(now, since_1970));
}

template <class Row>
void Persistence::put(Step& step, const JobId& job, std::uint64_t number, const Row& row,
                      Slice body) {
    if (!durable()) return;
    waiting_bytes_ += body.size();
    step.actions.push_back(Persist{{.job = job,
                                    .kind = static_cast<std::uint8_t>(Row::kind),
                                    .number = number,
                                    .data = wire::fields::encode_fields(row),
                                    .body = std::move(body)}});
}

void Persistence::erase_row(Step& step, const JobId& job, rows::Kind kind, std::uint64_t number) {
    if (!durable()) return;
    step.actions.push_back(Persist{{.change = Record::Change::erase,
                                    .job = job,
                                    .kind = static_cast<std::uint8_t>(kind),
                                    .number = number}});
}

void Persistence::erase(Step& step, const JobId& job) {
    if (!durable()) return;
    step.actions.push_back(Persist{{.change = Record::Change::erase_job, .job = job}});
}

void Persistence::opened(Step& step, Job& job) {
    if (!durable()) return;
    std::uint64_t& number = job.rows.write()->opened;
    if (number == 0) number = since_1970(job.life->opened);
    put(step, job.id, number,
        rows::Job{.token = job.client->token,
                  .user = job.user,
                  .owner_incarnation = job.client->incarnation,
                  .spec = *job.spec});
    located(step, job);
}

void Persistence::located(Step& step, const Job& job) {
    put(step, job.id, 0,
        rows::Location{.assignment = job.assignment->number,
                       .gatherer = job.assignment->known,
                       .taken_over = job.assignment->taken_over});
}

void Persistence::block(Step& step, const wire::Block& block, const Slice& body) {
    if (!durable() || block.count == 0) return;
    put(step, block.job, block.first,
        rows::Block{.count = block.count, .stride = block.stride, .cuts = block.cuts}, body);
}

void Persistence::accepted(Step& step, const Job& job) {
    if (!durable()) return;
    put(step, job.id, 0,
        rows::Accepted{.next = job.books.next(),
                       .bytes = job.payload->accepted_bytes,
                       .digest = job.submission->digest});
}

void Persistence::sealed(Step& step, const Job& job) {
    if (job.total()) put(step, job.id, 0, rows::Total{.fragments = *job.total()});
}

void Persistence::error(Step& step, const Job& job, const FinalError& error) {
    put(step, job.id, error.failure.index, rows::Error{.failure = error.failure}, error.output);
}

void Persistence::erase_errors(Step& step, const JobId& job, const std::vector<Range>& ranges) {
    for (Range range : ranges)
        for (Index index = range.begin; index < range.end; ++index)
            erase_row(step, job, rows::Kind::error, index);
}

void Persistence::tried(Step& step, Job& job, const std::vector<Struck>& struck) {
    if (!durable()) return;
    for (const auto& [index, history] : struck) {
        job.rows.write()->tried.add({index, index + 1});
        put(step, job.id, index,
            rows::Tried{.attempts = history.attempts,
                        .failures = history.failures,
                        .lone_crashes = history.lone_crashes});
    }
}

void Persistence::safe(Step& step, Job& job, const std::vector<Index>& freed_blocks) {
    if (!durable()) return;
    constexpr auto most = static_cast<std::ptrdiff_t>(limits::safe_ranges_in_row);
    auto ranges = job.books.settled().safe().ranges();
    std::uint64_t number = 0;
    for (auto begin = ranges.begin(); begin != ranges.end(); ++number) {
        auto end = begin + std::min(most, ranges.end() - begin);
        put(step, job.id, number, rows::Safe{.ranges = {begin, end}});
        begin = end;
    }
    const std::uint64_t before = std::exchange(job.rows.write()->safe, number);
    for (; number < before; ++number) erase_row(step, job.id, rows::Kind::safe, number);
    for (Index first : freed_blocks) erase_row(step, job.id, rows::Kind::block, first);
}

void Persistence::shared(Step& step, const Job& job) {
    put(step, job.id, 0, rows::Share{.share = job.standing->share});
}

void Persistence::ended(Step& step, Job& job, const std::vector<Index>& freed_blocks) {
    if (!durable()) return;
    RowNumbers& numbers = *job.rows.write();
    if (!job.payload->blocks.empty()) {
        safe(step, job, freed_blocks);
        for (Range range : numbers.tried.ranges())
            for (Index index = range.begin; index < range.end; ++index)
                erase_row(step, job.id, rows::Kind::tried, index);
    } else {
        erase(step, job.id);
        opened(step, job);
        sealed(step, job);
        accepted(step, job);
    }
    numbers.tried.clear();
    numbers.ended = since_1970(job.life->ended_at);
    const wire::Ended& end = job.life->end;
    put(step, job.id, numbers.ended,
        rows::Ended{.outcome = end.outcome,
                    .reason = end.reason,
                    .assignment = end.assignment,
                    .total = end.total,
                    .values = end.values,
                    .missing = end.missing,
                    .lost = end.lost,
                    .held_bytes = job.assignment->held_bytes});
}

void Persistence::retried(Step& step, Job& job, const std::vector<Range>& failed) {
    if (!durable()) return;
    RowNumbers& numbers = *job.rows.write();
    located(step, job);
    std::uint64_t earlier = std::exchange(numbers.round, since_1970(job.life->opened));
    put(step, job.id, numbers.round, rows::Round{.round = job.life->round});
    if (earlier != 0 && earlier != numbers.round)
        erase_row(step, job.id, rows::Kind::round, earlier);
    erase_row(step, job.id, rows::Kind::ended, numbers.ended);
    erase_errors(step, job.id, failed);
}

void Persistence::forgotten(Step& step, const JobId& job, const wire::GathererRef& gatherer) {
    put(step, job, 0, rows::Forgotten{.gatherer = gatherer});
}

void Persistence::fetch_block(Step& step, const Job& job, Index first) {
    step.actions.push_back(Fetch{
        .job = job.id, .kind = static_cast<std::uint8_t>(rows::Kind::block), .number = first});
}

void Persistence::fetch_error(Step& step, const Job& job, Index index) {
    step.actions.push_back(Fetch{
        .job = job.id, .kind = static_cast<std::uint8_t>(rows::Kind::error), .number = index});
}

}  // namespace fanfold::broker
