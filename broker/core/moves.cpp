#include "broker/core/moves.hpp"

#include <algorithm>
#include <utility>

#include "broker/core/choice.hpp"

namespace fanfold::broker {

namespace {
/// Whether the job is to go with the others: an attached one that has ended stays, for its results
/// are no longer needed.
bool is_of(const Job& job, const PeerId& peer, const Session& gatherer) {
    return job.running()
               ? job.assignment->gatherer == peer
               : job.assignment->known.name == gatherer.gatherer.name && !job.spec->attached;
}

/// While so much is on its way to the one that takes it.
Duration patience_with(std::uint64_t bytes) {
    const std::chrono::seconds slow(bytes / limits::slowest_move);
    return limits::patience_of_a_move + slow;
}
}  // namespace

// --- what is asked for

void Moves::on_drain(Step& step, const PeerId& client, const wire::Drain& drain) {
    wire::Drained answer{.number = drain.number};
    const auto peer = owners_.sessions.gatherer_named(drain.gatherer);
    if (!owners_.sessions.at(client).sender.roles.has(Access::admin))
        answer.refused = "only an administrator may drain gatherers";
    else if (!peer)
        answer.refused = "there is no gatherer '" + drain.gatherer +
                         "'; fanfold gatherers has those that there are";
    else if (!owners_.sessions.at(*peer).knows_moves())
        answer.refused =
            "gatherer " + drain.gatherer + " is of an earlier version, which can't be drained";
    else step.send(*peer, wire::Drain{.gatherer = drain.gatherer, .off = drain.off});
    if (answer.refused.empty())
        step.note({.what = drain.off ? "a gatherer is to be drained no longer"
                                     : "a gatherer is to be drained",
                   .peer = drain.gatherer,
                   .detail = owners_.sessions.who(client)});
    step.send(client, std::move(answer));
}

std::string Moves::why_staying(const PeerId& gatherer) const {
    const Session& session = owners_.sessions.at(gatherer);
    if (!session.draining) return {};
    if (choose_other_gatherer(owners_, gatherer).bytes.empty())
        return session.gatherer.has_store()
                   ? "no other gatherer with a store is here that could take its jobs"
                   : "no other gatherer is here that could take its jobs";
    return {};
}

// --- one job after the other

Moves::State Moves::state_of(const Job& job) {
    return {.running = job.running(),
            .assignment = job.assignment->number,
            .round = job.life->round,
            .total = job.total()};
}

/// After those that were looked at before, so that each has its turn.
Job* Moves::next_job(const PeerId& gatherer, LivedTime lived) {
    const Session& session = owners_.sessions.at(gatherer);
    auto& all = owners_.jobs.all();
    auto may_go = [&](const Job& job) {
        if (!is_of(job, gatherer, session) || rests_.contains(job.id)) return false;
        return !job.running() || (job.assignment->compared && !job.assignment->taken_over);
    };
    Search& search = searches_[gatherer];
    if (lived < search.again_at) return nullptr;
    for (auto at = all.upper_bound(search.last); at != all.end(); ++at)
        if (may_go(at->second)) return search.last = at->first, &at->second;
    search = {.last = {}, .again_at = lived + limits::pause_of_moves};
    return nullptr;
}

void Moves::begin(Step& step, const PeerId& gatherer) {
    const PeerId to = choose_other_gatherer(owners_, gatherer);
    Job* job = to.bytes.empty() ? nullptr : next_job(gatherer, step.lived);
    if (!job) return;
    // Another life of the broker has other numbers.
    const std::uint64_t number = owners_.options.epoch.incarnation + ++numbers_;
    moves_[gatherer] = {.job = job->id,
                        .to = to,
                        .number = number,
                        .last = 0,
                        .state = state_of(*job),
                        .heard = step.lived};
    owners_.gathering.set_moving(step, *job, true);
    step.send(gatherer, wire::HandOver{.job = job->id, .number = number});
}

Moves::All::iterator Moves::find(const PeerId& peer, const JobId& job, std::uint64_t number) {
    return std::find_if(moves_.begin(), moves_.end(), [&](const auto& item) {
        const auto& [from, move] = item;
        return (from == peer || move.to == peer) && move.job == job && move.number == number;
    });
}

void Moves::hear(const Step& step, const PeerId& gatherer) {
    if (auto at = moves_.find(gatherer); at != moves_.end()) at->second.heard = step.lived;
}

void Moves::on_row(Step& step, const PeerId& from, wire::HandedRow row, Slice body) {
    auto at = find(from, row.job, row.handing);
    if (at == moves_.end() || at->first != from) return;
    Move& move = at->second;
    if (move.bytes >= limits::handed_bytes) {
        const Sender& sender = owners_.sessions.at(from).sender;
        owners_.conduct.strike(step, from, sender, "dropped a row of a job",
                               "more of it is on its way than may be", body.size());
        return abort(step, at, "more of it is on its way than may be");
    }
    move.heard = step.lived;
    if (row.last) move.last = row.number;
    move.rows.push_back({row.number, row.data.size() + body.size()});
    move.bytes += move.rows.back().bytes;
    step.send(move.to, std::move(row), std::move(body), true);
}

void Moves::on_taken(Step& step, const PeerId& from, wire::RowTaken taken) {
    auto at = find(from, taken.job, taken.handing);
    if (at == moves_.end()) return;
    Move& move = at->second;
    Job* job = owners_.jobs.find(taken.job);
    if (taken.unknown && from == at->first && job && !job->running()) {
        owners_.endings.lose_results(step, *job);
        return complete(step, at);
    }
    if (!taken.refused.empty()) return abort(step, at, taken.refused);
    if (from != move.to) return;
    move.heard = step.lived;
    for (; !move.rows.empty() && move.rows.front().number <= taken.number; move.rows.pop_front())
        move.bytes -= move.rows.front().bytes;
    if (move.last > 0 && taken.number >= move.last) return complete(step, at);
    step.send(at->first, std::move(taken));
}

void Moves::complete(Step& step, All::iterator at) {
    const auto [from, move] = *at;
    Job* job = owners_.jobs.find(move.job);
    if (!job || state_of(*job) != move.state) return abort(step, at);
    moves_.erase(at);
    step.note({.level = Level::debug,
               .what = "a job has gone to another gatherer",
               .job = job->id,
               .peer = owners_.sessions.at(move.to).name});
    reconciling_.follow(step, *job, move.to, job->assignment->number + 1);
    step.send(from, wire::Forget{job->id});
    begin(step, from);
}

/// The job stays, and is tried again: at once, if it has only changed.
void Moves::abort(Step& step, All::iterator at, const std::string& why) {
    const auto [from, move] = *at;
    moves_.erase(at);
    if (!why.empty()) {
        rests_[move.job] = step.lived + limits::rest_of_a_move;
        step.note({.level = Level::warn,
                   .what = "a job can't go to another gatherer at present",
                   .job = move.job,
                   .peer = owners_.sessions.name_of(from),
                   .detail = why});
    }
    for (const PeerId& peer : {from, move.to})
        if (owners_.sessions.find(peer))
            step.send(peer, wire::HandOver{.job = move.job, .number = move.number, .stop = true});
    if (Job* job = owners_.jobs.find_running(move.job))
        owners_.gathering.set_moving(step, *job, false);
}

// --- losses, and time

void Moves::lose(Step& step, const PeerId& gatherer) {
    searches_.erase(gatherer);
    for (auto at = moves_.begin(); at != moves_.end();) {
        auto move = at++;
        if (move->first == gatherer || move->second.to == gatherer) abort(step, move);
    }
}

void Moves::sweep(Step& step) {
    std::erase_if(rests_, [&](const auto& item) { return step.lived >= item.second; });
    for (auto at = moves_.begin(); at != moves_.end();) {
        auto move = at++;
        const Job* job = owners_.jobs.find(move->second.job);
        const Session& to = owners_.sessions.at(move->second.to);
        if (!job || state_of(*job) != move->second.state) abort(step, move);
        else if (step.lived - move->second.heard > patience_with(move->second.bytes))
            abort(step, move, "nothing of it has come for too long");
        else if (!to.trouble.empty())
            abort(step, move, "gatherer " + to.gatherer.name + " can't store it: " + to.trouble);
    }
    for (const PeerId& peer : owners_.sessions.gatherers()) {
        const Session& session = owners_.sessions.at(peer);
        if (session.draining && session.told_jobs && session.trouble.empty() &&
            !moves_.contains(peer))
            begin(step, peer);
    }
}

void Moves::check_invariants() const {
    for (const auto& [from, move] : moves_) {
        for (const PeerId& peer : {from, move.to})
            FANFOLD_CHECK(owners_.sessions.gatherers().contains(peer));
        const Job* job = owners_.jobs.find_running(move.job);
        if (job && state_of(*job) == move.state) FANFOLD_CHECK(job->assignment->moves);
    }
}

}  // namespace fanfold::broker
