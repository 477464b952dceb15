#include "broker/state/outbox.hpp"

#include <utility>

#include "shared/wire/codec.hpp"

namespace fanfold::broker {

void Outbox::send_later(const Step& step, const PeerId& to, wire::Message message) {
    later_.push_back({to, std::move(message), {}});
    hurry(step);
}

void Outbox::tell_owner(Step& step, const Job& job, wire::Message message) {
    const PeerId& owner = job.client->peer;
    if (owner.bytes.empty()) return;
    if (job.submission->in_one_block && job.spec->attached)
        send_later(step, owner, std::move(message));
    else step.send(owner, std::move(message));
}

void Outbox::release(const Step& step, const PeerId& worker, const JobId& job, Range range) {
    Session* session = sessions_.find(worker);
    if (!session || *session->absence) return;
    auto& releases = *session->releases.write();
    if (releases.empty()) releasing_.push_back(worker);
    auto& ranges = releases[job];
    if (!ranges.empty() && ranges.back().end == range.begin) ranges.back().end = range.end;
    else ranges.push_back(range);
    release_at_ = std::min<Time>(release_at_, step.now + limits::release_delay);
}

void Outbox::forget(const Job& job) {
    std::erase_if(later_,
                  [&](const Send& message) { return wire::job_of(message.message) == job.id; });
    for (const PeerId& worker : job.standing->knowing)
        if (Session* session = sessions_.find(worker)) session->releases.write()->erase(job.id);
}

void Outbox::flush_later(Step& step) {
    later_at_ = Time::max();
    for (Send& message : std::exchange(later_, {})) step.actions.push_back(std::move(message));
}

void Outbox::flush_releases(Step& step) {
    release_at_ = Time::max();
    for (const PeerId& peer : std::exchange(releasing_, {})) {
        Session* session = sessions_.find(peer);
        if (!session) continue;
        wire::Release message;
        for (auto& [job, ranges] : std::exchange(*session->releases.write(), {}))
            message.items.push_back({job, std::move(ranges)});
        if (!message.items.empty()) step.send(peer, std::move(message));
    }
}

}  // namespace fanfold::broker
