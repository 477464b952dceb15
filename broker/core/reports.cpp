#include "broker/core/reports.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::broker {

namespace {
using std::chrono::floor;

wire::JobInfo info_of(const Job& job, Time now) {
    const wire::Ended& end = job.life->end;
    const Books& books = job.books;
    const Settled& settled = books.settled();
    wire::JobInfo info{.job = job.id,
                       .title = job.spec->title,
                       .function = job.spec->function,
                       .outcome = end.outcome,
                       .reason = end.reason};
    info.total = job.total();
    info.accepted = books.next();
    info.queued = books.queue().size();
    info.running = books.loans().first().size();
    info.values = job.running() ? books.kept().size() + settled.safe().size() : end.values;
    info.failed = settled.failed().size();
    info.age = floor<wire::Milliseconds>(now - job.life->opened);
    if (!job.running())
        info.took = floor<wire::Milliseconds>(job.life->ended_at - job.life->opened);
    info.gatherer = job.assignment->known.name;
    info.key = job.spec->key;
    info.round = job.life->round;
    info.share = job.standing->share;
    info.hedged = books.loans().hedged();
    info.user = job.user;
    return info;
}

wire::WorkerInfo info_of(const Session& worker, LivedTime lived) {
    const Offer& offer = worker.offer;
    const Load& load = *worker.load;
    wire::WorkerInfo info{
        .name = worker.name, .slots = offer.slots, .stuck_slots = load.stuck_slots};
    for (const auto& [key, chunk] : load.lent)
        info.running += static_cast<std::uint64_t>(chunk.fragments);
    info.finished = load.finished;
    info.functions = {offer.functions.begin(), offer.functions.end()};
    info.labels = {offer.labels.begin(), offer.labels.end()};
    for (const auto& [name, amount] : offer.resources) info.resources.push_back({name, amount});
    info.silent = floor<wire::Milliseconds>(lived - worker.heard);
    info.unreached = worker.unreached;
    info.leaving = load.leaving && load.trouble.empty();
    info.trouble = load.trouble;
    return info;
}

std::size_t bytes_of(const wire::JobInfo& info) {
    std::size_t bytes = limits::numbers_bytes;
    for (const std::string* text : {&info.title, &info.function, &info.reason, &info.gatherer,
                                    &info.notice, &info.key, &info.user})
        bytes += text->size();
    return bytes;
}

std::size_t bytes_of(const wire::WorkerInfo& info) {
    std::size_t bytes = limits::numbers_bytes + info.name.size() + info.trouble.size();
    for (const std::string& function : info.functions) bytes += function.size();
    for (const std::string& label : info.labels) bytes += label.size();
    for (const auto& resource : info.resources)
        bytes += limits::numbers_bytes + resource.name.size();
    for (const auto& wall : info.unreached)
        bytes += limits::numbers_bytes + wall.gatherer.size() + wall.endpoint.size();
    return bytes;
}
}  // namespace

void Reports::on_query(Step& step, const PeerId& from, const wire::Query& query) const {
    wire::Report report{.number = query.number};
    switch (query.topic) {
        case wire::Topic::jobs:
            add_jobs(step.now, report, jobs_.select(query.selector, sessions_.at(from).sender),
                     query.after);
            break;
        case wire::Topic::workers: add_workers(step.lived, report, query.selector); break;
        case wire::Topic::gatherers: add_gatherers(report); break;
    }
    step.send(from, std::move(report));
}

void Reports::add_gatherers(wire::Report& report) const {
    std::map<std::string_view, std::pair<std::uint64_t, std::uint64_t>> jobs;  // running, ended
    for (const auto& [id, job] : jobs_.all()) {
        auto& [running, ended] = jobs[job.assignment->known.name];
        if (job.running()) ++running;
        else if (!job.spec->attached) ++ended;
    }
    report.gatherers = sessions_.told_gatherers();
    for (const wire::GathererRef& gatherer : report.gatherers) {
        const PeerId peer = sessions_.gatherer_named(gatherer.name).value();
        const Session& session = sessions_.at(peer);
        const auto& [running, ended] = jobs[gatherer.name];
        report.states.push_back(
            {.name = gatherer.name,
             .minor = session.minor,
             .address = session.address,
             .running = running,
             .ended = ended,
             .draining = session.draining,
             .trouble = session.trouble.empty() ? moves_.why_staying(peer) : session.trouble});
    }
}

void Reports::add_jobs(Time now, wire::Report& report, const std::vector<JobId>& jobs,
                       const JobId& after) const {
    std::size_t bytes = 0;
    const Walls walls = this->walls();
    for (const JobId& id : jobs) {
        if (id <= after) continue;
        report.more = bytes > limits::report_bytes;
        if (report.more) return;
        const Job& job = jobs_.all().at(id);
        wire::JobInfo& info = report.jobs.emplace_back(info_of(job, now));
        if (job.running()) info.notice = gathering_.why_waiting(job);
        if (job.running() && info.notice.empty()) info.notice = wall_of(job, walls);
        if (job.running() && info.notice.empty()) info.notice = job.client->notice;
        bytes += bytes_of(info);
    }
}

Reports::Walls Reports::walls() const {
    Walls walls;
    for (const auto& [peer, session] : sessions_.all()) {
        if (session.role != wire::Role::worker) continue;
        for (const wire::Unreached& unreached : session.unreached) {
            Wall& wall = walls[unreached.gatherer];
            if (wall.last == &session) continue;  // of the same gatherer's other endpoint
            if (!wall.first) wall.first = &session;
            wall.last = &session;
            ++wall.workers;
        }
    }
    return walls;
}

/// Who can't reach its gatherer, its client or workers; empty: everybody can.
std::string Reports::wall_of(const Job& job, const Walls& walls) const {
    const std::string& gatherer = job.assignment->known.name;
    const Session* client = sessions_.find(job.client->peer);
    if (client && !client->reaches(gatherer)) return "its client can't reach gatherer " + gatherer;
    auto wall = walls.find(gatherer);
    if (wall == walls.end()) return {};
    return std::to_string(wall->second.workers) + " of the workers can't reach gatherer " +
           gatherer + " and get no work of this job, " + wall->second.first->name + " among them";
}

/// Those of one name come together; the rest of them is left out where there is no room.
void Reports::add_workers(LivedTime lived, wire::Report& report, const std::string& after) const {
    std::vector<std::pair<std::string_view, const Session*>> workers;
    for (const auto& [peer, session] : sessions_.all())
        if (session.role == wire::Role::worker && !*session.absence && session.name > after)
            workers.emplace_back(session.name, &session);
    std::ranges::stable_sort(workers, {}, &decltype(workers)::value_type::first);
    std::size_t bytes = 0;
    for (const auto& [name, session] : workers) {
        bool same_name = !report.workers.empty() && report.workers.back().name == name;
        report.more = bytes > (same_name ? 2 : 1) * limits::report_bytes;
        if (report.more) return;
        bytes += bytes_of(report.workers.emplace_back(info_of(*session, lived)));
    }
}

}  // namespace fanfold::broker
