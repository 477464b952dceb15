// What the broker writes, and how it finds its jobs again after it was killed.
#include "broker/core.hpp"
#include "shared/codec.hpp"

namespace fanfold::broker {

bool promises_nothing(const wire::Message& message) {
    return std::holds_alternative<wire::Dispatch>(message) || std::holds_alternative<wire::Heartbeat>(message) ||
           std::holds_alternative<wire::Welcome>(message) || std::holds_alternative<wire::Refused>(message);
}

std::chrono::milliseconds Core::since_1970(Time moment) const {
    return options_.started_since_1970 + std::chrono::floor<std::chrono::milliseconds>(moment - options_.started);
}

/// The same moment on the clock of this life; not after its start, whatever the machine's clock did meanwhile.
Time Core::moment_of(std::uint64_t since_1970) const {
    auto age = options_.started_since_1970 - std::chrono::milliseconds(since_1970);
    return options_.started - std::max(age, std::chrono::milliseconds(0));
}

// --- writing ----------------------------------------------------------------------------------------------------

void Core::persist(const JobId& job, Row row, std::uint64_t number, const wire::Message& message, Slice body) {
    if (!options_.durable) return;
    actions_->push_back(Persist{
        {.job = job, .kind = static_cast<std::uint8_t>(row), .number = number, .data = wire::encode(message), .body = std::move(body)}});
}

void Core::persist_opening(const Job& job) {
    wire::Block opening{.job = job.id, .token = job.token};
    opening.spec = job.spec;
    persist(job.id, Row::job, static_cast<std::uint64_t>(since_1970(job.opened).count()), opening);
    persist(job.id, Row::owner, job.owner_incarnation, wire::Heartbeat{});
    persist_location(job);
}

void Core::persist_location(const Job& job) {
    persist(job.id, Row::located, 0, wire::Located{.job = job.id, .assignment = job.assignment, .gatherer = job.gatherer_ref});
}

/// One row a job, however many results came; and blocks of which nothing is needed are gone.
void Core::persist_safe() {
    for (const JobId& id : unsaved_) {
        Job* job = find(id);
        if (!job || !job->running()) continue;
        persist(id, Row::safe, 0, wire::Gathered{.job = id, .ranges = job->safe_ranges()});
        for (Index first : job->take_freed_blocks())
            actions_->push_back(
                Persist{{.change = Record::Change::erase, .job = id, .kind = static_cast<std::uint8_t>(Row::block), .number = first}});
    }
    unsaved_.clear();
}

/// What only a running job needs is let go of.
void Core::persist_end(const Job& job) {
    if (!options_.durable) return;
    actions_->push_back(Persist{{.change = Record::Change::erase_job, .job = job.id}});
    persist_opening(job);
    if (job.total) persist(job.id, Row::total, 0, wire::Seal{.job = job.id, .token = job.token, .total = *job.total});
    persist(job.id, Row::ended, static_cast<std::uint64_t>(since_1970(now_).count()), job.end);
}

// --- reading back -----------------------------------------------------------------------------------------------

void Core::restore(const Record& record) {
    auto message = wire::decode(record.data);
    if (!message) throw StartupError("a row of job " + to_string(record.job) + " can't be read: " + message.error().text);
    now_ = options_.started;
    Job* job = find(record.job);
    auto row = static_cast<Row>(record.kind);
    if (!job && row != Row::job) throw StartupError("a row of job " + to_string(record.job) + " has no job");
    switch (row) {
        case Row::job: {
            auto& opening = std::get<wire::Block>(*message);
            Time opened = moment_of(record.number);
            job = &jobs_.try_emplace(record.job, record.job, *opening.spec, opening.token, opened).first->second;
            job->owner.bytes.clear();
            return;
        }
        case Row::owner: job->owner_incarnation = record.number; return;
        case Row::located: {
            auto& located = std::get<wire::Located>(*message);
            job->assignment = located.assignment;
            job->gatherer_ref = located.gatherer;
            return;
        }
        case Row::block: job->restore_block(std::get<wire::Block>(*message), record.body); return;
        case Row::total: job->announced = std::get<wire::Seal>(*message).total; return;
        case Row::error: job->restore_error(std::get<wire::Errors>(*message).failures.at(0), record.body); return;
        case Row::safe: job->restore_safe(std::get<wire::Gathered>(*message).ranges); return;
        case Row::ended: job->restore_end(std::get<wire::Ended>(*message), moment_of(record.number)); return;
    }
}

/// Nobody is connected yet: jobs wait for their gatherers and for the workers that may hold their fragments.
void Core::restored() {
    for (auto& [id, job] : jobs_) {
        if (!job.running()) {
            (job.spec.attached ? ended_attached_ : ended_kept_).push_back(id);
            continue;
        }
        if (job.announced == job.next()) job.total = job.announced;
        if (!job.whole()) throw StartupError("rows of job " + to_string(id) + " are missing from the store; restore it from a backup");
        running_.push_back(id);
        orphaned_[id] = lived_.now();
        job.rests_until = options_.started + options_.worker_timeout;
        // Its client has to come back for it, unless it is whole and belongs to nobody's connection.
        Duration lease = job.spec.attached ? Duration(job.spec.lease) : Duration(limits::client_lease);
        if (job.spec.attached || !job.total) job.lease_until = options_.started + std::max(lease, options_.worker_timeout);
    }
    check_invariants();
}

}  // namespace fanfold::broker
