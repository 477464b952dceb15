#include "broker/core/directory.hpp"

#include <algorithm>

namespace fanfold::broker {

void Directory::on_find(Step& step, const PeerId& from, const wire::Find& find) {
    if (answer(step, from, find, false)) return;
    auto already =
        std::ranges::count_if(finds_, [&](const Waiting& other) { return other.from == from; });
    if (already >= limits::waiting_finds) return void(answer(step, from, find, true));
    if (const Job* job = jobs_.find_key(sessions_.at(from).sender.user, find.key))
        step.send(job->client->peer, wire::Heartbeat{});  // shows whether it is there
    std::erase_if(finds_, [&](const Waiting& waiting) {
        return waiting.from == from && waiting.find.number == find.number;
    });
    finds_.push_back(
        {.from = from, .find = find, .until = step.now + limits::patience_with_the_dead});
}

/// False: another client seems to have the job, or a gatherer may have it, and it is not yet time
/// to say so.
bool Directory::answer(Step& step, const PeerId& from, const wire::Find& find, bool at_last) {
    Job* job = jobs_.find_key(sessions_.at(from).sender.user, find.key);
    if (!job && !at_last && sessions_.await_jobs(step.lived)) return false;
    if (!job) return step.send(from, wire::Found{.number = find.number}), true;
    bool submitting = job->running() && !job->total() && !job->assignment->taken_over;
    bool busy = submitting && !job->client->peer.bytes.empty() && job->client->token != find.token;
    if (busy && !at_last) return false;
    if (submitting && !busy) clients_.take_over(step, *job, from, find.token);
    wire::Found found = clients_.offer(*job);
    found.number = find.number;
    found.busy = busy;
    step.send(from, std::move(found));
    return true;
}

void Directory::answer(Step& step) {
    std::erase_if(finds_, [&](const Waiting& waiting) {
        return !sessions_.find(waiting.from) ||
               answer(step, waiting.from, waiting.find, step.now >= waiting.until);
    });
}

}  // namespace fanfold::broker
