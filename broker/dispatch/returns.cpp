#include "broker/dispatch/returns.hpp"

#include <algorithm>
#include <utility>

#include "shared/wire/tolerance.hpp"

namespace fanfold::broker {

// --- what is done

std::vector<JobId> Returns::on_done(Step& step, const PeerId& from, Session& worker,
                                    wire::Done& done, const Slice& body) {
    arrive(step, from, worker, done.arrived);
    std::vector<JobId> failed;
    for (const wire::DoneRun& run : done.runs) finish(step, from, worker, run);
    Slice outputs = body;
    for (wire::JobFailures& failures : done.failures) {
        fail(step, from, worker, failures, outputs);
        failed.push_back(failures.job);
    }
    for (wire::Trouble& trouble : done.troubles) {
        Job* job = owners_.jobs.find_running(trouble.job);
        if (!job || owners_.troubles.is_given_back(step, from, *job, trouble)) continue;
        // It will run nowhere.
        const Loan* loan = job->books.loans().first().at(trouble.index);
        wire::JobFailures failures{.job = trouble.job, .failures = {}};
        failures.failures.push_back({.index = trouble.index,
                                     .attempt = loan ? loan->attempt : 1,
                                     .message = std::move(trouble.reason),
                                     .exit_code = trouble.exit_code});
        Slice none;
        fail(step, from, worker, failures, none);
        failed.push_back(trouble.job);
    }
    for (const wire::JobRanges& returned : done.returned) {
        Job* job = owners_.jobs.find_running(returned.job);
        if (!job) continue;
        if (done.troubles.empty())  // of which it says itself whether it rests
            owners_.loads.rest(worker, step.lived + limits::rest_of_a_full_worker);
        for (Range range : returned.ranges) job->books.give_back(range, from);
        owners_.dispatcher.apply(step, *job);
        owners_.loads.owe_brief(worker, job->id);  // perhaps it had none
    }
    if (!failed.empty())  // perhaps it is doubted now
        owners_.dispatcher.place(step.now, step.lived, from, worker);
    return failed;
}

void Returns::arrive(const Step& step, const PeerId& from, Session& worker,
                     std::uint64_t dispatch) {
    if (owners_.loads.arrive(step, worker, dispatch))
        owners_.dispatcher.place(step.now, step.lived, from, worker);
}

void Returns::finish(Step& step, const PeerId& from, Session& worker, const wire::DoneRun& run) {
    owners_.loads.count_finished(worker, run.range.size());
    Job* job = owners_.jobs.find_running(run.job);
    if (!job) return;
    Range finished = overlap(run.range, {0, job->books.next()});
    if (finished.empty()) return;  // of no fragment that there is
    if (const Loan* loan = job->books.loans().first().at(finished.begin);
        loan && loan->worker == from) {
        const auto chunk = worker.load->lent.find({loan->dispatch, job->id});
        if (chunk != worker.load->lent.end() && chunk->second.range == finished)
            owners_.loads.learn_round_trip(step, worker, chunk->second, run.busy);
    }
    for (const auto& [other, range] : job->books.finish(finished, from))
        owners_.outbox.release(step, other, job->id, range);
    owners_.troubles.count(*job, worker, finished.size());
    owners_.estimates.learn(*job, worker,
                            {.count = finished.size(), .busy = run.busy, .bytes = run.bytes});
    owners_.dispatcher.apply(step, *job);
    step.note({.level = Level::debug,
               .what = "chunk finished",
               .job = run.job,
               .range = run.range,
               .peer = worker.name,
               .took = run.busy});
}

void Returns::fail(Step& step, const PeerId& from, Session& worker, wire::JobFailures& failed,
                   Slice& outputs) {
    Job* job = owners_.jobs.find_running(failed.job);
    for (wire::Failure& failure : failed.failures) {
        std::size_t size = std::min<std::size_t>(failure.output_bytes, outputs.size());
        Slice output = outputs.sub(0, size);
        outputs = outputs.sub(size, outputs.size() - size);
        if (!job) continue;
        // By the brief it will see that what comes was sent after this was heard.
        if (wire::pauses_at_failure(*job->spec, failure.attempt))
            owners_.loads.owe_brief(worker, job->id);
        step.note({.level = Level::debug,
                   .what = "attempt failed",
                   .job = failed.job,
                   .range = {failure.index, failure.index + 1},
                   .peer = worker.name,
                   .attempt = failure.attempt,
                   .took = failure.elapsed,
                   .detail = failure.message});
        failure.worker = worker.name;
        failure.output_bytes = size;
        if (failure.kind == wire::FailureKind::failed) {
            owners_.estimates.learn_failure(*job, failure.elapsed);
            owners_.troubles.count_failure(step, from, *job, failure);
        }
        owners_.estimates.learn_output(*job, size);
        if (!job->books.fail_attempt(std::move(failure), std::move(output), from,
                                     job->spec->retries))
            owners_.conduct.pass_over(step, from, "Done with an attempt that is not on loan",
                                      failed.job);
    }
    if (job) owners_.dispatcher.apply(step, *job);
}

// --- what it says that it holds

namespace {
/// What an inventory names of a job.
struct Named {
    JobId job;
    const std::vector<Range>* held;
    const std::vector<Range>* kept;
    bool has_some() const { return !held->empty() || !kept->empty(); }
};

/// Each job of which the worker names something or should, in their order.
std::vector<Named> all_named(const wire::Heartbeat& heartbeat, const Session& worker) {
    static const std::vector<Range> nothing;
    std::vector<Named> all;
    all.reserve(worker.load->jobs.size() + heartbeat.held.size() + heartbeat.kept.size());
    for (const JobId& job : worker.load->jobs) all.push_back({job, &nothing, &nothing});
    for (const auto& item : heartbeat.held) all.push_back({item.job, &item.ranges, &nothing});
    for (const auto& item : heartbeat.kept) all.push_back({item.job, &nothing, &item.ranges});
    std::ranges::sort(all, {}, &Named::job);
    auto end = all.begin();
    for (const Named& named : all) {
        if (end == all.begin() || std::prev(end)->job != named.job) {
            *end++ = named;
            continue;
        }
        Named& same = *std::prev(end);
        if (!named.held->empty()) same.held = named.held;
        if (!named.kept->empty()) same.kept = named.kept;
    }
    all.erase(end, all.end());
    return all;
}
}  // namespace

void Returns::on_inventory(Step& step, const PeerId& from, Session& worker,
                           const wire::Heartbeat& heartbeat) {
    if (owners_.loads.set_usable(worker, heartbeat))
        owners_.dispatcher.place(step.now, step.lived, from, worker);
    arrive(step, from, worker, heartbeat.handled);
    const std::uint64_t handled =
        owners_.loads.count_handled(worker, heartbeat.handled, step.lived);
    wire::Release release;
    for (const Named& named : all_named(heartbeat, worker)) {
        if (Job* job = owners_.jobs.find_running(named.job)) {
            reconcile(step, from, worker, *job,
                      {.handled = handled, .held = *named.held, .kept = *named.kept}, release);
            continue;
        }
        owners_.loads.set_concern(worker, named.job, false);
        if (named.has_some()) step.send(from, wire::Drop{named.job});
    }
    if (!release.items.empty()) step.send(from, std::move(release));
}

void Returns::reconcile(Step& step, const PeerId& from, Session& worker, Job& job,
                        const Books::Inventory& inventory, wire::Release& release) {
    auto let_go = job.books.reconcile(from, inventory);
    owners_.dispatcher.apply(step, job);
    const Books& books = job.books;
    owners_.loads.set_concern(worker, job.id,
                              books.loans().first().has(from) || books.loans().second().has(from) ||
                                  books.kept().finished().has(from));
    // Without any its brief may have been lost on the way.
    bool has_some = !inventory.held.empty() || !inventory.kept.empty();
    bool adopted = has_some && owners_.dispatcher.add_brief(job, from, worker);
    // What an earlier life of this broker told it of the job may be so no more.
    if (adopted && owners_.options.epoch.number > 1)
        step.send(from, wire::SendAgain{.job = job.id,
                                        .assignment = job.assignment->number,
                                        .gatherer = job.assignment->known,
                                        .ranges = inventory.kept});
    if (!let_go.empty()) release.items.push_back({job.id, std::move(let_go)});
}

// --- it is gone, or comes back

std::vector<JobId> Returns::leave(Step& step, const PeerId& peer, const Session& worker) {
    for (const JobId& id : worker.load->briefs)
        if (Job* job = owners_.jobs.find(id)) owners_.dispatcher.forget_brief(*job, peer);
    std::vector<JobId> concerned = worker.load->sorted_jobs();
    for (const JobId& id : concerned) {
        Job* job = owners_.jobs.find_running(id);
        if (!job) continue;
        job->books.lose_worker({.worker = peer, .name = worker.name, .death = Death::in_good_order},
                               step.now);
        owners_.dispatcher.apply(step, *job);
    }
    return concerned;
}

void Returns::take_over(Step& step, const PeerId& old_id, const PeerId& new_id) {
    const Session* before = owners_.sessions.find(old_id);
    if (!before) return;
    Session& worker = owners_.sessions.at(new_id);
    owners_.loads.take_over(worker, *before);
    owners_.dispatcher.place(step.now, step.lived, new_id, worker);
    owners_.estimates.take_over(worker, *before);
    for (const JobId& id : before->load->briefs)
        if (Job* job = owners_.jobs.find(id)) owners_.dispatcher.forget_brief(*job, old_id);
    for (const JobId& id : worker.load->sorted_jobs()) {
        Job* job = owners_.jobs.find_running(id);
        if (!job) continue;
        job->books.rename_worker(old_id, new_id);
        owners_.dispatcher.apply(step, *job);
    }
}

}  // namespace fanfold::broker
