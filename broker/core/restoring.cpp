#include "broker/core/restoring.hpp"

#include <algorithm>
#include <utility>

#include "broker/dispatch/scheduler.hpp"
#include "shared/wire/fields.hpp"

namespace fanfold::broker {

// --- rows

void Restoring::take(const Record& record) {
    switch (static_cast<rows::Kind>(record.kind)) {
        case rows::Kind::job: return read<rows::Job>(record);
        case rows::Kind::location: return read<rows::Location>(record);
        case rows::Kind::block: return read<rows::Block>(record);
        case rows::Kind::total: return read<rows::Total>(record);
        case rows::Kind::error: return read<rows::Error>(record);
        case rows::Kind::safe: return read<rows::Safe>(record);
        case rows::Kind::accepted: return read<rows::Accepted>(record);
        case rows::Kind::tried: return read<rows::Tried>(record);
        case rows::Kind::share: return read<rows::Share>(record);
        case rows::Kind::ended: return read<rows::Ended>(record);
        case rows::Kind::round: return read<rows::Round>(record);
        case rows::Kind::forgotten: return read<rows::Forgotten>(record);
    }
    damage(record, "it is of no known kind");
}

template <class Row>
void Restoring::read(const Record& record) {
    auto row = wire::fields::decode_fields<Row>(record.data);
    if (!row) return damage(record, row.error().text);
    if constexpr (requires { set(record, *std::move(row)); }) {
        set(record, *std::move(row));
    } else {
        Job* job = owners_.jobs.find(record.job);
        if (!job) return damage(record, "its job has no other row");
        set(*job, rows_[record.job], record, *std::move(row));
    }
}

void Restoring::damage(const Record& record, const std::string& why) {
    if (owners_.retention.has_tombstone(record.job)) return;  // nothing of it is wanted
    std::string& known = rows_[record.job].damage;
    job_of(record.job);
    if (known.empty())
        known = "row " + std::to_string(record.kind) + "/" + std::to_string(record.number) +
                " can't be read: " + why;
}

/// The job, made if its first row could not be read.
Job& Restoring::job_of(const JobId& id) {
    if (Job* job = owners_.jobs.find(id)) return *job;
    Job& job = owners_.jobs.add(id, {}, {}, owners_.users.tenant({}));
    owners_.endings.open(job, owners_.options.started);
    return job;
}

void Restoring::set(const Record& record, rows::Job row) {
    if (owners_.jobs.find(record.job)) return damage(record, "its job has another such row");
    if (!sound_weight(row.spec.share.weight)) return damage(record, "its weight is none");
    Tenant& tenant = owners_.users.tenant(row.user);
    Job& job = owners_.jobs.add(record.job, std::move(row.spec), std::move(row.user), tenant);
    owners_.endings.open(job, owners_.persistence.moment_of(record.number));
    owners_.dispatcher.open(job);
    job.client.write()->token = row.token;
    job.client.write()->incarnation = row.owner_incarnation;
    job.rows.write()->opened = record.number;
    rows_[record.job];
}

void Restoring::set(const Record& record, rows::Forgotten row) {
    if (owners_.jobs.find(record.job)) return damage(record, "its job is not forgotten");
    owners_.retention.restore_tombstone(record.job, row.gatherer);
}

void Restoring::set(Job& job, Rows&, const Record&, rows::Location row) {
    job.assignment.write()->number = row.assignment;
    job.assignment.write()->known = std::move(row.gatherer);
    job.assignment.write()->taken_over = row.taken_over;
}

void Restoring::set(Job& job, Rows& rows, const Record& record, rows::Block row) {
    wire::Block block{.job = job.id,
                      .first = record.number,
                      .count = row.count,
                      .stride = row.stride,
                      .cuts = std::move(row.cuts)};
    if (auto sound = check_block(block, record.body); !sound)
        return damage(record, sound.error().text);
    if (block.first < rows.books.next) return damage(record, "it overlaps another");
    rows.books.next = block.first + block.count;
    rows.books.blocks.add({block.first, rows.books.next});
    owners_.payloads.add(job, block, record.body);
}

void Restoring::set(Job& job, Rows&, const Record&, rows::Total row) {
    job.submission.write()->announced = row.fragments;
}

void Restoring::set(Job&, Rows& rows, const Record& record, rows::Error row) {
    if (row.failure.index == ~Index{0}) return damage(record, "there is no such fragment");
    if (row.failure.output_bytes != record.body.size())
        return damage(record, "its output is not what it was");
    rows.books.errors.push_back({.failure = std::move(row.failure), .output = {}, .written = true});
}

void Restoring::set(Job& job, Rows& rows, const Record& record, rows::Safe row) {
    job.rows.write()->safe = std::max(job.rows->safe, record.number + 1);
    rows.books.safe.insert(rows.books.safe.end(), row.ranges.begin(), row.ranges.end());
}

void Restoring::set(Job& job, Rows& rows, const Record&, rows::Accepted row) {
    rows.books.next = std::max(rows.books.next, row.next);
    rows.accepted_bytes = row.bytes;
    job.submission.write()->digest = std::move(row.digest);
}

void Restoring::set(Job& job, Rows& rows, const Record& record, rows::Tried row) {
    if (record.number == ~Index{0}) return damage(record, "there is no such fragment");
    job.rows.write()->tried.add({record.number, record.number + 1});
    rows.books.tried[record.number] = {.attempts = row.attempts,
                                       .failures = row.failures,
                                       .lone_crashes = row.lone_crashes,
                                       .most = row.lone_crashes > 0 ? 1u : 0u};
}

void Restoring::set(Job& job, Rows&, const Record& record, rows::Share row) {
    if (!sound_weight(row.share.weight)) return damage(record, "its weight is none");
    job.standing.write()->share = row.share;
}

void Restoring::set(Job& job, Rows&, const Record& record, rows::Ended row) {
    if (row.outcome == wire::Outcome::running) return damage(record, "it is no outcome");
    Life& life = *job.life.write();
    life.end = {.job = job.id,
                .assignment = row.assignment,
                .outcome = row.outcome,
                .reason = std::move(row.reason),
                .total = row.total,
                .values = row.values,
                .missing = std::move(row.missing),
                .lost = row.lost};
    life.ended_at = owners_.persistence.moment_of(record.number);
    job.assignment.write()->held_bytes = row.held_bytes;
    job.rows.write()->ended = record.number;
}

void Restoring::set(Job& job, Rows&, const Record& record, rows::Round row) {
    Life& life = *job.life.write();
    if (row.round < life.round) return;
    life.round = row.round;
    life.opened = owners_.persistence.moment_of(record.number);
    job.rows.write()->round = record.number;
}

// --- jobs

/// Makes its books from its rows. Returns why that can't be; empty when all is there.
std::string Restoring::rebuild(Job& job, Rows& rows) {
    if (!rows.damage.empty()) return rows.damage;
    if (job.assignment->taken_over) rows.books.blocks.add({0, rows.books.next});
    const bool whole = job.books.restore(std::move(rows.books));
    owners_.payloads.weigh(job);
    owners_.payloads.settle(job, job.books.take_changes().settled);
    owners_.payloads.restore_accepted(job, rows.accepted_bytes);
    Submission& submission = *job.submission.write();
    if (!job.running()) submission.total = job.life->end.total;
    else if (submission.announced == job.books.next()) submission.total = submission.announced;
    if (submission.total && *submission.total != job.books.next())
        return "its fragments are not as many as it has";
    if (job.running() && !whole) return "rows of it are missing";
    if (!owners_.jobs.add_key(job)) return "another job has the key '" + job.spec->key + "'";
    if (job.running()) return {};
    job.books.close();
    owners_.payloads.close(job, !job.spec->attached && !job.life->end.lost);
    owners_.payloads.take_freed(job);
    return {};
}

/// Nothing of it can be relied on but its end, if it has one: else it runs until the first step,
/// without fragments.
void Restoring::empty(Job& job) {
    job.books = {};
    owners_.payloads.clear(job);
    Payload& payload = *job.payload.write();
    payload.accepted_bytes = payload.freed_bytes = 0;
    *job.submission.write() = {};
    damaged_.push_back(job.id);
    if (job.running()) return;
    job.submission.write()->total = job.life->end.total;
    job.books.close();
}

/// Nobody is connected yet: jobs wait for their gatherers and for the workers that may hold their
/// fragments.
void Restoring::finish() {
    const Options& options = owners_.options;
    for (auto& [id, rows] : rows_) {
        Job& job = owners_.jobs.at(id);
        rows.damage = rebuild(job, rows);
        if (!rows.damage.empty()) empty(job);
        if (!job.running()) {
            owners_.retention.add(job);
            continue;
        }
        job.standing.write()->rests_until =
            job.assignment->taken_over ? Time::max() : options.started + options.worker_timeout;
        job.assignment.write()->orphaned = LivedTime{};
        owners_.dispatcher.start(options.started, job);
        owners_.clients.restore_lease(job);
    }
    // The keys of jobs that are whole go first. A job without its key is found by its id.
    for (const JobId& id : damaged_) owners_.jobs.add_key(owners_.jobs.at(id));
    if (damaged_.empty()) rows_.clear();
}

void Restoring::end_damaged(Step& step) {
    if (damaged_.empty()) return;
    for (const JobId& id : std::exchange(damaged_, {})) {
        std::string reason = "the broker's state is damaged: " + rows_[id].damage;
        step.note({.level = Level::error,
                   .what = "a job can't be read back from the store",
                   .job = id,
                   .detail = reason});
        if (Job* job = owners_.jobs.find_running(id))
            owners_.endings.end(step, *job, {.reason = std::move(reason), .lost = true});
    }
    rows_.clear();
}

// --- from a gatherer

Job& Restoring::adopt(Step& step, const PeerId& gatherer, wire::Described described) {
    wire::Assign& assign = described.assign;
    if (!sound_weight(assign.spec.share.weight)) assign.spec.share.weight = 1;
    Tenant& tenant = owners_.users.tenant(assign.user);
    Job& job = owners_.jobs.add(assign.job, std::move(assign.spec), std::move(assign.user), tenant);
    owners_.jobs.add_key(job);  // a job without its key is found by its id
    owners_.endings.open(job, step.now);
    owners_.dispatcher.open(job);
    Life& life = *job.life.write();
    life.round = assign.round;
    Assignment& assignment = *job.assignment.write();
    assignment.number = assign.assignment;
    assignment.known = owners_.sessions.at(gatherer).gatherer;
    assignment.gatherer = gatherer;
    assignment.again = assignment.taken_over = true;
    Submission& submission = *job.submission.write();
    submission.total = submission.announced = assign.total;
    Books::Restored books;
    books.next = assign.total.value_or(described.next);
    books.blocks.add({0, books.next});  // which are not there
    (void)job.books.restore(std::move(books));
    owners_.payloads.weigh(job);
    if (described.end.outcome == wire::Outcome::running) {
        job.standing.write()->rests_until = Time::max();
        owners_.dispatcher.start(step.now, job);
        owners_.persistence.opened(step, job);
        owners_.persistence.accepted(step, job);
        owners_.persistence.sealed(step, job);
        return job;
    }
    life.end = std::move(described.end);
    life.end.job = job.id;
    life.end.total = assign.total;
    life.ended_at = step.now;
    job.books.close();
    owners_.payloads.close(job, false);
    owners_.retention.add(job);
    owners_.persistence.ended(step, job, {});
    return job;
}

}  // namespace fanfold::broker
