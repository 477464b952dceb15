// What there is, for those who ask; and what they want of jobs that are there already: found by
// key, retried, forgotten.
#include <algorithm>

#include "broker/core/core.hpp"
#include "broker/core/scheduler.hpp"

namespace fanfold::broker {

using wire::RefusalCode;

namespace {
constexpr auto patience_with_the_dead =
    std::chrono::milliseconds(1500);  // a closed connection shows within that
constexpr std::size_t ended_attached_kept = 1000;
constexpr std::size_t ended_kept = 100'000;
constexpr std::size_t report_bytes = limits::header_bytes / 4;
constexpr std::size_t numbers_bytes =
    256;  // of one job or worker, texts aside; no number takes more than nine
}  // namespace

/// Of the jobs that the sender may see.
std::vector<JobId> Core::select(const std::string& selector, const Sender& sender) const {
    std::vector<JobId> found;
    const Job* newest = nullptr;
    for (const auto& [id, job] : jobs_) {
        if (!may_see(sender, job)) continue;
        if (!newest || newest->opened < job.opened) newest = &job;
        std::string text = to_string(id);
        if (selector.empty() || text.starts_with(selector) || text.ends_with(selector))
            found.push_back(id);
    }
    if (selector == "last" && newest) found.assign(1, newest->id);
    return found;
}

wire::JobInfo Core::info(const Job& job) const {
    using std::chrono::floor;
    wire::JobInfo info{.job = job.id,
                       .title = job.spec.title,
                       .function = job.spec.function,
                       .outcome = job.end.outcome,
                       .reason = job.end.reason};
    info.total = job.total;
    info.accepted = job.next();
    info.queued = job.queued_count();
    info.running = job.lent_count();
    info.values = job.running() ? job.value_count() : job.end.values;
    info.failed = job.failed_count();
    info.age = floor<wire::Milliseconds>(now_ - job.opened);
    if (!job.running()) info.took = floor<wire::Milliseconds>(job.ended_at - job.opened);
    info.gatherer = job.gatherer_ref.name;
    info.notice = job.notice;
    info.key = job.spec.key;
    info.round = job.round;
    info.share = job.share;
    info.hedged = job.hedged;
    info.user = job.user;
    return info;
}

wire::WorkerInfo Core::info(const Session& worker) const {
    wire::WorkerInfo info{
        .name = worker.name, .slots = worker.slots, .stuck_slots = worker.stuck_slots};
    for (const auto& [sequence, chunk] : worker.lent)
        info.running += static_cast<std::uint64_t>(chunk.fragments);
    info.finished = worker.finished;
    info.functions = {worker.functions.begin(), worker.functions.end()};
    info.labels = {worker.labels.begin(), worker.labels.end()};
    for (const auto& [name, amount] : worker.resources) info.resources.push_back({name, amount});
    info.silent = std::chrono::floor<wire::Milliseconds>(lived_.now() - worker.heard);
    return info;
}

/// As many of them as one message takes.
void Core::report_jobs(wire::Report& report, const std::vector<JobId>& jobs, const JobId& after) {
    std::size_t bytes = 0;
    for (const JobId& id : jobs) {
        if (id <= after) continue;
        report.more = bytes > report_bytes;
        if (report.more) return;
        const wire::JobInfo& told = report.jobs.emplace_back(info(jobs_.at(id)));
        bytes += numbers_bytes;
        for (const std::string* text : {&told.title, &told.function, &told.reason, &told.gatherer,
                                        &told.notice, &told.key, &told.user})
            bytes += text->size();
    }
}

/// As many of them as one message takes. Those of one name come together; the rest of them is left
/// out where there is no room.
void Core::report_workers(wire::Report& report, const std::string& after) const {
    std::vector<std::pair<std::string_view, const Session*>> workers;
    for (const auto& [peer, session] : sessions_)
        if (session.role == wire::Role::worker && session.name > after)
            workers.emplace_back(session.name, &session);
    std::ranges::stable_sort(workers, {}, &decltype(workers)::value_type::first);
    std::size_t bytes = 0;
    for (const auto& [name, session] : workers) {
        bool same_name = !report.workers.empty() && report.workers.back().name == name;
        report.more = bytes > (same_name ? 2 : 1) * report_bytes;
        if (report.more) return;
        const wire::WorkerInfo& told = report.workers.emplace_back(info(*session));
        bytes += numbers_bytes + told.name.size();
        for (const std::string& function : told.functions) bytes += function.size();
        for (const std::string& label : told.labels) bytes += label.size();
        for (const auto& resource : told.resources) bytes += numbers_bytes + resource.name.size();
    }
}

void Core::on_query(const PeerId& from, const wire::Query& query) {
    wire::Report report{.number = query.number};
    switch (query.topic) {
        case wire::Topic::jobs:
            report_jobs(report, select(query.selector, sessions_.at(from).sender), query.after);
            break;
        case wire::Topic::workers: report_workers(report, query.selector); break;
        case wire::Topic::gatherers:
            for (const PeerId& peer : gatherers_)
                report.gatherers.push_back(sessions_.at(peer).gatherer);
            break;
    }
    send(from, std::move(report));
}

// --- by key
// -------------------------------------------------------------------------------------------------------

void Core::on_find(const PeerId& from, const wire::Find& find) {
    if (answer_find(from, find, false)) return;
    auto already =
        std::ranges::count_if(finds_, [&](const Waiting& other) { return other.from == from; });
    if (already >= most_waiting_finds) return void(answer_find(from, find, true));
    const std::string& user = sessions_.at(from).sender.user;
    send(jobs_.at(keys_.at({user, find.key})).owner,
         wire::Heartbeat{});  // shows whether it is there
    std::erase_if(finds_, [&](const Waiting& waiting) {
        return waiting.from == from && waiting.find.number == find.number;
    });
    finds_.push_back({.from = from, .find = find, .until = now_ + patience_with_the_dead});
}

/// False: another client seems to have the job, and it is not yet time to say so.
bool Core::answer_find(const PeerId& from, const wire::Find& find, bool at_last) {
    auto known = keys_.find({sessions_.at(from).sender.user, find.key});
    if (known == keys_.end()) return send(from, wire::Found{.number = find.number}), true;
    Job& job = jobs_.at(known->second);
    bool submitting = job.running() && !job.total;
    bool busy = submitting && !job.owner.bytes.empty() && job.token != find.token;
    if (busy && !at_last) return false;
    if (submitting && !busy) {
        job.token = find.token;
        job.owner = from;
        job.owner_incarnation = sessions_.at(from).epoch.incarnation;
        job.lease_until.reset();
        persist_opening(job);
        note({.what = "job taken over", .job = job.id, .peer = sessions_.at(from).name});
    }
    wire::Found found{.number = find.number, .job = job.id, .busy = busy, .spec = job.spec};
    found.next = job.next();
    found.bytes = job.accepted_bytes();
    found.limit = job.told_limit =
        std::max(job.told_limit, job.accepted_bytes() + room_of_user(job.user));
    found.digest = job.digest;
    found.total = job.total;
    found.outcome = job.end.outcome;
    send(from, std::move(found));
    return true;
}

void Core::answer_finds() {
    std::erase_if(finds_, [this](const Waiting& waiting) {
        return !sessions_.contains(waiting.from) ||
               answer_find(waiting.from, waiting.find, now_ >= waiting.until);
    });
}

// --- again
// ----------------------------------------------------------------------------------------------------------

void Core::on_retry(const PeerId& from, const wire::Retry& retry) {
    Job* job = find_for(from, retry.job, "Retry");
    if (!job)
        return refuse(from, RefusalCode::unknown_job, "there is no job " + to_string(retry.job),
                      retry.job);
    if (std::string why = why_no_job(job->user); !why.empty() && !job->running())
        return refuse(from, RefusalCode::overloaded, why, job->id);
    if (std::string why = job->why_no_retry(); !why.empty())
        return refuse(from, RefusalCode::conflict,
                      "job " + to_string(job->id) + " can't be retried: " + why, job->id);
    const Session* gatherer = nullptr;
    job->gatherer.bytes.clear();
    for (const PeerId& peer : gatherers_) {
        const Session& session = sessions_.at(peer);
        if (session.gatherer.name != job->gatherer_ref.name) continue;
        job->gatherer = peer;
        gatherer = &session;
    }
    if (gatherer && job->safe_count() > 0 &&
        lost_memory(job->gatherer_ref.epoch, gatherer->gatherer.epoch))
        return refuse(from, RefusalCode::conflict,
                      "job " + to_string(job->id) + " can't be retried: its gatherer " +
                          gatherer->name +
                          " was started again and has lost the values that it had; submit it again",
                      job->id);
    if (gatherer) job->gatherer_ref = gatherer->gatherer;
    else orphaned_[job->id] = lived_.now();
    auto failed = job->reopen(now_);
    std::uint64_t fragments = job->queued_count();
    std::erase(job->tenant->ended_kept, job->id);
    start_running(*job);
    persist_retry(*job, failed, fragments);
    note({.what = "job retried",
          .job = job->id,
          .detail = std::to_string(fragments) + " fragments"});
    assign(*job);
    send(from, wire::Retried{.job = job->id, .round = job->round, .fragments = fragments});
    tell_notice(*job);
}

void Core::on_adjust(const PeerId& from, const wire::Adjust& adjust) {
    Job* job = find_for(from, adjust.job, "Adjust");
    if (!job)
        return refuse(from, RefusalCode::unknown_job, "there is no job " + to_string(adjust.job),
                      adjust.job);
    if (!job->running())
        return refuse(from, RefusalCode::conflict, "job " + to_string(job->id) + " has ended",
                      job->id);
    if (adjust.weight && !sound_weight(*adjust.weight))
        return refuse(from, RefusalCode::malformed, unsound_weight(*adjust.weight), job->id);
    pools_.park(*job);  // its turn moves
    job->share.priority = adjust.priority.value_or(job->share.priority);
    job->share.weight = adjust.weight.value_or(job->share.weight);
    job->share.max_running = adjust.max_running.value_or(job->share.max_running);
    ready(*job);
    persist_share(*job);
    send(from, wire::Adjusted{.job = job->id, .share = job->share});
}

// --- no more
// --------------------------------------------------------------------------------------------------------

void Core::on_forget(const PeerId& from, const wire::Forget& wanted) {
    Job* job = find_for(from, wanted.job, "Forget");
    if (job && job->running())
        return refuse(from, RefusalCode::conflict,
                      "job " + to_string(job->id) + " still runs; cancel it first", job->id);
    if (job) {
        std::erase(job->spec.attached ? job->tenant->ended_attached : job->tenant->ended_kept,
                   job->id);
        forget(job->id);
    }
    send(from, wire::Forgotten{wanted.job});
}

void Core::forget_ended() {
    auto forget_oldest = [this](std::deque<JobId>& ended) {
        JobId oldest = ended.front();
        ended.pop_front();
        forget(oldest);
    };
    auto shorten = [&](std::deque<JobId> Tenant::*of, std::size_t most) {
        std::size_t all = 0;
        for (auto& [user, tenant] : tenants_) {
            std::deque<JobId>& ended = tenant.*of;
            while (!ended.empty() && now_ - jobs_.at(ended.front()).ended_at >= options_.keep)
                forget_oldest(ended);
            all += ended.size();
        }
        // Who has many makes nobody else's be forgotten.
        for (; all > most; --all)
            forget_oldest(
                std::ranges::max_element(tenants_, {},
                                         [&](const auto& item) { return (item.second.*of).size(); })
                    ->second.*
                of);
    };
    shorten(&Tenant::ended_attached, ended_attached_kept);
    shorten(&Tenant::ended_kept, ended_kept);
}

/// The gatherer is told until it says that it has forgotten too; a tombstone reminds of that.
void Core::forget(JobId id) {  // (by value: it may be the job's own)
    Job& job = *find(id);
    if (!job.spec.key.empty()) keys_.erase({job.user, job.spec.key});
    erase_rows(id);
    persist(id, Row::forgotten, 0, wire::Located{.job = id, .gatherer = job.gatherer_ref});
    tombstones_[id] = {.gatherer = job.gatherer_ref, .since = now_};
    held_bytes_ -= job.accounted_bytes;
    job.tenant->held_bytes -= job.tenant_bytes;
    note({.level = job.spec.attached ? Level::debug : Level::info,
          .what = "job forgotten",
          .job = id});
    jobs_.erase(id);
    ask_to_forget(id);
}

/// Asks the gatherer to forget the job; false when that is no longer needed.
bool Core::ask_to_forget(const JobId& id) {
    const wire::GathererRef& known = tombstones_.at(id).gatherer;
    for (const PeerId& peer : gatherers_) {
        const Session& session = sessions_.at(peer);
        if (session.gatherer.name != known.name) continue;
        if (lost_memory(known.epoch, session.gatherer.epoch)) return false;
        send(peer, wire::Forget{id});
    }
    return true;
}

void Core::bury() {
    if (now_ < next_burial_) return;
    next_burial_ = now_ + limits::resend_after;
    for (auto it = tombstones_.begin(); it != tombstones_.end();) {
        const auto& [id, stone] = *it;
        if (now_ - stone.since < options_.keep && ask_to_forget(id)) {
            ++it;
        } else {
            erase_rows(id);
            it = tombstones_.erase(it);
        }
    }
}

void Core::on_forgotten(const PeerId& from, const wire::Forgotten& forgotten) {
    auto it = tombstones_.find(forgotten.job);
    if (it == tombstones_.end() || it->second.gatherer.name != sessions_.at(from).gatherer.name)
        return;
    erase_rows(forgotten.job);
    tombstones_.erase(it);
}

}  // namespace fanfold::broker
