#include "scatterer/core/jobs.hpp"

#include <utility>

#include "scatterer/core/session.hpp"
#include "shared/base/duration.hpp"

namespace fanfold::scatterer {

namespace {
/// The job's collection, if it collects at that gatherer.
Collection* collected_at(ClientJob* job, const GathererKey& gatherer) {
    Collection* collection = job ? job->collection() : nullptr;
    return collection && collection->is_at(gatherer) ? collection : nullptr;
}

bool collects_from(ClientJob& job, const std::string& gatherer) {
    Collection* collection = job.collection();
    return collection && collection->aimed() && collection->at()->name == gatherer;
}
}  // namespace

ClientJob* Jobs::find(const JobId& job) {
    auto it = jobs_.find(job);
    return it == jobs_.end() ? nullptr : &it->second;
}

// --- calls

void Jobs::open(Step& step, OpenJob event) {
    JobId id = event.job;
    if (event.continues) jobs_.erase(id);  // what an earlier Job object of it left behind
    bool guesses = event.collect && !event.continues;
    jobs_.try_emplace(id, id).first->second.open(step, std::move(event),
                                                 guesses ? gatherers_.next() : nullptr);
}

void Jobs::watch(Step& step, const WatchJob& event) {
    jobs_.try_emplace(event.job, event.job).first->second.watch(step);
}

void Jobs::close(Step& step, const CloseJob& event) {
    ClientJob* job = find(event.job);
    if (!job) return;
    job->close(step);
    if (job->forgettable(step.now)) jobs_.erase(event.job);
}

void Jobs::leave(Step& step) {
    for (auto& [id, job] : jobs_) job.leave(step);
}

// --- the broker

void Jobs::start_session(Step& step) {
    for (auto& [id, job] : jobs_) job.start_session(step);
}

void Jobs::on_accepted(Step& step, const wire::Accepted& accepted) {
    // It was given up here, and nobody would ever seal or collect it there.
    if (given_up_.contains(accepted.job))
        return step.send(wire::Cancel{.job = accepted.job, .reason = "its client has given it up"});
    if (ClientJob* job = find(accepted.job)) job->on_accepted(step, accepted);
}

void Jobs::on_marked(Step& step, const wire::Marked& marked) {
    if (ClientJob* job = find(marked.job)) job->on_marked(step, marked);
}

void Jobs::on_located(Step& step, const wire::Located& located) {
    gatherers_.learn(located.gatherer);
    for (auto& [id, job] : jobs_)
        if (auto left = job.on_located(step, located)) gatherers_.drop(*left);
}

const Submission* Jobs::on_refused(Step& step, const JobId& job, const wire::Refused& refused) {
    ClientJob* known = find(job);
    return known ? known->on_refused(step, refused) : nullptr;
}

void Jobs::refuse(Step& step, const JobId& job, const std::string& text) {
    if (ClientJob* known = find(job)) known->refuse(step, text);
}

bool Jobs::notify_all(Step& step, const std::string& text) {
    bool told = false;
    for (auto& [id, job] : jobs_) told = job.on(step, wire::Notice{id, text}) || told;
    return told;
}

void Jobs::tell_of_walls(Step& step, const std::vector<wire::Unreached>& walls) {
    if (walls.empty() && walls_.empty()) return;
    std::set<std::string> now;
    auto each = [&](const std::string& gatherer, auto tell) {
        for (auto& [id, job] : jobs_)
            if (collects_from(job, gatherer)) tell(id, job);
    };
    const Duration patience = step.session.give_up();
    for (const wire::Unreached& wall : walls) {
        now.insert(wall.gatherer);
        const std::string what =
            "gatherer " + wall.gatherer + " can't be reached at " + wall.endpoint;
        each(wall.gatherer, [&](const JobId& id, ClientJob& job) {
            if (wall.since < patience)
                job.on(step,
                       wire::Notice{id, what + "; it is given up after " + to_string(patience)});
            else
                job.refuse(step, what + " from here: it was tried for " + to_string(patience) +
                                     ", and has the job's results");
        });
        if (!walls_.contains(wall.gatherer))
            step.act(Note{.level = Level::warn,
                          .what = "a gatherer can't be reached",
                          .peer = wall.gatherer,
                          .detail = wall.endpoint});
    }
    for (const std::string& before : std::exchange(walls_, std::move(now)))
        if (!walls_.contains(before))
            each(before, [&](const JobId& id, ClientJob& job) {
                job.on(step, wire::Notice{id, "gatherer " + before + " is reached again"});
            });
}

void Jobs::on_memory_lost(Step& step) {
    for (auto& [id, job] : jobs_)
        if (job.on_memory_lost(step)) given_up_[id] = step.now;
}

void Jobs::on_session_lost(Step& step, const std::string& why) {
    for (auto& [id, job] : jobs_)
        if (job.on_session_lost(step, why)) given_up_[id] = step.now;
}

// --- the gatherers

void Jobs::on_values(Step& step, const GathererKey& from, const wire::Values& values,
                     const Slice& body) {
    if (Collection* collection = collected_at(find(values.job), from))
        collection->on_values(step, values, body);
}

void Jobs::on_failures(Step& step, const GathererKey& from, const wire::Failures& failures,
                       const Slice& body) {
    if (Collection* collection = collected_at(find(failures.job), from))
        collection->on_failures(step, failures, body);
}

void Jobs::on_concluded(Step& step, const GathererKey& from, const wire::Concluded& concluded) {
    ClientJob* job = find(concluded.job);
    Collection* collection = collected_at(job, from);
    if (collection && collection->on_concluded(step, concluded)) job->conclude(step, concluded);
}

void Jobs::on_marked(Step& step, const GathererKey& from, const wire::Marked& marked) {
    if (Collection* collection = collected_at(find(marked.job), from))
        collection->on_marked(step, marked);
}

void Jobs::hear(const Step& step, const GathererKey& from) {
    for (auto& [id, job] : jobs_)
        if (Collection* collection = collected_at(&job, from)) collection->heard(step);
}

void Jobs::turned_away(Step& step, const GathererKey& by, const wire::Refused& refused) {
    ClientJob* job = refused.job ? find(*refused.job) : nullptr;
    if (job) job->turned_away(step, by, refused);
}

// --- what goes on by itself

void Jobs::repeat(Step& step) {
    for (auto& [id, job] : jobs_) job.repeat(step);
    std::erase_if(given_up_, [&](const auto& one) {
        return step.now - one.second >= limits::given_up_memory;
    });
    std::erase_if(jobs_, [&](const auto& one) { return one.second.forgettable(step.now); });
}

void Jobs::check_invariants() const {
    for (const auto& [id, job] : jobs_) job.check_invariants();
}

}  // namespace fanfold::scatterer
