// What the broker writes, and how it finds its jobs again after it was killed.
#include "broker/core/core.hpp"
#include "broker/core/scheduler.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::broker {

namespace {
constexpr std::ptrdiff_t safe_ranges_in_row = 10'000;

/// Whatever was written whole: a row that contradicts the others, or holds what it should not.
[[noreturn]] void makes_no_sense(const Record& record) {
    throw StartupError("row " + std::to_string(record.kind) + "/" + std::to_string(record.number) +
                       " of job " + to_string(record.job) +
                       " makes no sense; restore the store from a backup");
}

template <class T>
T& expect(wire::Message& message, const Record& record) {
    auto* known = std::get_if<T>(&message);
    if (!known) makes_no_sense(record);
    return *known;
}

/// The one failure of a row that holds one.
wire::Failure& only_failure(wire::Message& message, const Record& record) {
    auto& failures = expect<wire::Errors>(message, record).failures;
    if (failures.size() != 1 || failures[0].index == ~Index{0}) makes_no_sense(record);
    return failures[0];
}
}  // namespace

bool promises_nothing(const wire::Message& message) {
    return std::holds_alternative<wire::Dispatch>(message) ||
           std::holds_alternative<wire::Heartbeat>(message) ||
           std::holds_alternative<wire::Welcome>(message) ||
           std::holds_alternative<wire::Refused>(message) ||
           std::holds_alternative<wire::Notice>(message) ||
           std::holds_alternative<wire::Report>(message) ||
           std::holds_alternative<wire::AllowedKeys>(message);
}

std::chrono::milliseconds Core::since_1970(Time moment) const {
    return options_.started_since_1970 +
           std::chrono::floor<std::chrono::milliseconds>(moment - options_.started);
}

/// The same moment on the clock of this life; not after its start, whatever the machine's clock did
/// meanwhile.
Time Core::moment_of(std::uint64_t since_1970) const {
    auto now = static_cast<std::uint64_t>(options_.started_since_1970.count());
    return options_.started - std::chrono::milliseconds(now - std::min(now, since_1970));
}

// --- writing
// ----------------------------------------------------------------------------------------------------

void Core::persist(const JobId& job, Row row, std::uint64_t number, const wire::Message& message,
                   Slice body) {
    if (!options_.durable) return;
    waiting_bytes_ += body.size();
    actions_->push_back(Persist{{.job = job,
                                 .kind = static_cast<std::uint8_t>(row),
                                 .number = number,
                                 .data = wire::encode(message),
                                 .body = std::move(body)}});
}

void Core::erase_row(const JobId& job, Row row, std::uint64_t number) {
    if (!options_.durable) return;
    actions_->push_back(Persist{{.change = Record::Change::erase,
                                 .job = job,
                                 .kind = static_cast<std::uint8_t>(row),
                                 .number = number}});
}

void Core::erase_rows(const JobId& job) {
    if (options_.durable)
        actions_->push_back(Persist{{.change = Record::Change::erase_job, .job = job}});
}

void Core::persist_opening(Job& job) {
    wire::Block opening{.job = job.id, .token = job.token};
    opening.spec = job.spec;
    if (job.opened_row == 0)
        job.opened_row = static_cast<std::uint64_t>(since_1970(job.opened).count());
    persist(job.id, Row::job, job.opened_row, opening);
    persist(job.id, Row::owner, 0,
            wire::Hello{.role = wire::Role::client,
                        .name = job.user,
                        .epoch = {.number = 0, .incarnation = job.owner_incarnation}});
    persist_location(job);
}

void Core::persist_location(const Job& job) {
    persist(
        job.id, Row::located, 0,
        wire::Located{.job = job.id, .assignment = job.assignment, .gatherer = job.gatherer_ref});
}

void Core::persist_accepted(const Job& job) {
    wire::Found accepted{
        .job = job.id, .next = job.next(), .bytes = job.accepted_bytes(), .digest = job.digest};
    persist(job.id, Row::accepted, 0, accepted);
}

/// Few rows a job, however many results came; and blocks of which nothing is needed are gone.
void Core::persist_safe() {
    for (const JobId& id : unsaved_)
        if (Job* job = find(id); job && job->running()) persist_safe(*job);
    unsaved_.clear();
}

void Core::persist_safe(Job& job) {
    auto ranges = job.safe_ranges();
    for (std::uint64_t number = 0; number * safe_ranges_in_row < ranges.size(); ++number) {
        auto begin = ranges.begin() + static_cast<std::ptrdiff_t>(number * safe_ranges_in_row);
        auto end = begin + std::min<std::ptrdiff_t>(safe_ranges_in_row, ranges.end() - begin);
        persist(job.id, Row::safe, number, wire::Gathered{.job = job.id, .ranges = {begin, end}});
    }
    for (Index first : job.payloads().take_freed()) erase_row(job.id, Row::block, first);
}

/// What only a running job needs is let go of; what a retry would need stays.
void Core::persist_end(Job& job) {
    if (!options_.durable) return;
    bool retains = !job.payloads().empty();
    if (retains) {
        persist_safe(job);
        for (Range range : job.tried_rows.ranges())
            for (Index index = range.begin; index < range.end; ++index)
                erase_row(job.id, Row::tried, index);
        job.tried_rows.clear();
    } else {
        erase_rows(job.id);
        persist_opening(job);
        if (job.total)
            persist(job.id, Row::total, 0,
                    wire::Seal{.job = job.id, .token = job.token, .total = *job.total});
        persist_accepted(job);
    }
    job.ended_row = static_cast<std::uint64_t>(since_1970(now_).count());
    persist(job.id, Row::ended, job.ended_row, job.end);
}

/// Every cut leaves a job that has ended as before, or that runs again.
void Core::persist_retry(Job& job, const std::vector<Range>& failed, std::uint64_t fragments) {
    if (!options_.durable) return;
    persist_location(job);
    auto number = static_cast<std::uint64_t>(since_1970(job.opened).count());
    auto earlier = std::exchange(job.round_row, number);
    persist(job.id, Row::round, number,
            wire::Retried{.job = job.id, .round = job.round, .fragments = fragments});
    if (earlier != 0 && earlier != number) erase_row(job.id, Row::round, earlier);
    erase_row(job.id, Row::ended, job.ended_row);
    for (Range range : failed)
        for (Index index = range.begin; index < range.end; ++index)
            erase_row(job.id, Row::error, index);
}

void Core::persist_share(const Job& job) {
    persist(job.id, Row::share, 0, wire::Adjusted{.job = job.id, .share = job.share});
}

/// How often it was tried counts for ever.
void Core::persist_history(Job& job) {
    for (Index index : job.take_struck()) {
        const History* history = job.history(index);
        if (!options_.durable || !history || !job.running()) continue;
        wire::Failure counts{.index = index, .attempt = history->attempts};
        counts.exit_code = static_cast<std::int32_t>(history->failures);
        counts.signal = static_cast<std::int32_t>(history->lone_crashes);
        job.tried_rows.add({index, index + 1});
        persist(job.id, Row::tried, index,
                wire::Errors{.job = job.id, .failures = {std::move(counts)}});
    }
}

// --- reading back
// -----------------------------------------------------------------------------------------------

void Core::restore(const Record& record) {
    auto message = wire::decode(record.data);
    if (!message)
        throw StartupError("a row of job " + to_string(record.job) +
                           " can't be read: " + message.error().text);
    now_ = options_.started;
    Job* job = find(record.job);
    auto row = static_cast<Row>(record.kind);
    if (row == Row::forgotten) {
        if (job) makes_no_sense(record);
        tombstones_[record.job] = {.gatherer = expect<wire::Located>(*message, record).gatherer,
                                   .since = now_};
        return;
    }
    if (row == Row::job) {
        auto& opening = expect<wire::Block>(*message, record);
        if (!opening.spec || !sound_weight(opening.spec->share.weight)) makes_no_sense(record);
        job = &jobs_
                   .try_emplace(record.job, record.job, *opening.spec, opening.token,
                                moment_of(record.number))
                   .first->second;
        job->owner.bytes.clear();
        job->opened_row = record.number;
        return;
    }
    if (!job) throw StartupError("a row of job " + to_string(record.job) + " has no job");
    restore_of(*job, row, record, *message);
    account(*job);
}

void Core::restore_of(Job& job, Row row, const Record& record, wire::Message& message) {
    switch (row) {
        case Row::job:
        case Row::forgotten: return;
        case Row::owner:
            job.owner_incarnation = expect<wire::Hello>(message, record).epoch.incarnation;
            job.user = expect<wire::Hello>(message, record).name;
            return;
        case Row::located: {
            auto& located = expect<wire::Located>(message, record);
            job.assignment = located.assignment;
            job.gatherer_ref = located.gatherer;
            return;
        }
        case Row::block: {
            auto& block = expect<wire::Block>(message, record);
            job.restore_block(block, record.body);
            if (short_of_memory(job.payloads().held_bytes() - job.accounted_bytes))
                job.payloads().spill(block.first);
            return;
        }
        case Row::total: job.announced = expect<wire::Seal>(message, record).total; return;
        case Row::error: job.restore_error(only_failure(message, record), record.body); return;
        case Row::safe: job.restore_safe(expect<wire::Gathered>(message, record).ranges); return;
        case Row::accepted: {
            auto& accepted = expect<wire::Found>(message, record);
            job.restore_accepted(accepted.next, accepted.bytes, accepted.digest);
            return;
        }
        case Row::tried: {
            const auto& counts = only_failure(message, record);
            job.tried_rows.add({counts.index, counts.index + 1});
            History history{.attempts = counts.attempt,
                            .failures = static_cast<std::uint32_t>(counts.exit_code)};
            history.lone_crashes = static_cast<std::uint32_t>(counts.signal);
            history.most = history.lone_crashes > 0 ? 1 : 0;
            job.restore_history(counts.index, history);
            return;
        }
        case Row::share:
            job.share = expect<wire::Adjusted>(message, record).share;
            if (!sound_weight(job.share.weight)) makes_no_sense(record);
            return;
        case Row::ended:
            if (expect<wire::Ended>(message, record).outcome == wire::Outcome::running)
                makes_no_sense(record);
            job.restore_end(expect<wire::Ended>(message, record), moment_of(record.number));
            job.ended_row = record.number;
            job.payloads().spill_all();
            return;
        case Row::round: {
            auto& retried = expect<wire::Retried>(message, record);
            if (retried.round < job.round) return;
            job.round = retried.round;
            job.round_row = record.number;
            job.opened = moment_of(record.number);
            return;
        }
    }
    makes_no_sense(record);
}

/// Nobody is connected yet: jobs wait for their gatherers and for the workers that may hold their
/// fragments.
void Core::restored() {
    for (auto& [id, job] : jobs_) {
        if (!job.spec.key.empty() && !keys_.try_emplace({job.user, job.spec.key}, id).second)
            throw StartupError("two jobs of the store have the key '" + job.spec.key +
                               "'; restore it from a backup");
        job.tenant = &tenants_[job.user];
        account(job);
        if (job.running() && job.announced == job.next()) job.total = job.announced;
        if (!job.whole())
            throw StartupError("rows of job " + to_string(id) +
                               " are missing from the store; restore it from a backup");
        if (!job.running()) {
            (job.spec.attached ? job.tenant->ended_attached : job.tenant->ended_kept).push_back(id);
            continue;
        }
        start_running(job);
        orphaned_[id] = lived_.now();
        job.rests_until = options_.started + options_.worker_timeout;
        // Its client has to come back for it, unless it is whole and belongs to nobody's
        // connection.
        if (auto lease = lease_of(job))
            job.lease_until = options_.started + std::max(*lease, options_.worker_timeout);
    }
    check_invariants();
}

}  // namespace fanfold::broker
