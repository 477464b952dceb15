#include "broker/core/conditions.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/core/gathering.hpp"
#include "broker/state/jobs.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

void Conditions::on_heartbeat(Step& step, const PeerId& from, const wire::Heartbeat& heartbeat) {
    Session& session = owners_.sessions.at(from);
    if (std::exchange(session.draining, heartbeat.leaving) != heartbeat.leaving)
        step.note({.what = heartbeat.leaving ? "the jobs of a gatherer go to others"
                                             : "a gatherer takes new jobs again",
                   .peer = session.name});
    if (session.trouble == heartbeat.trouble) return;
    session.trouble = heartbeat.trouble;
    step.note({.level = session.trouble.empty() ? Level::info : Level::error,
               .what = session.trouble.empty() ? "a gatherer stores results again"
                                               : "a gatherer stores nothing at present",
               .peer = session.name,
               .detail = session.trouble});
    for (const JobId& id : owners_.jobs.running())
        if (const Job& job = owners_.jobs.at(id); job.assignment->gatherer == from)
            owners_.gathering.tell_clients(step, job);
}

bool Conditions::on_unreached(Step& step, Session& session,
                              std::vector<wire::Unreached> unreached) {
    // A gatherer that is away can't be reached at all, and may be gone for good.
    std::erase_if(unreached, [&](const wire::Unreached& wall) {
        return !owners_.sessions.gatherer_named(wall.gatherer);
    });
    auto before = std::exchange(session.unreached, std::move(unreached));
    auto names = [](const std::vector<wire::Unreached>& walls) {
        std::set<std::string> all;
        for (const wire::Unreached& wall : walls) all.insert(wall.gatherer);
        return all;
    };
    const std::set<std::string> then = names(before), now = names(session.unreached);
    if (then == now) return false;
    for (const wire::Unreached& wall : session.unreached) {
        if (then.contains(wall.gatherer)) continue;
        const std::string where = "gatherer " + wall.gatherer + " at " + wall.endpoint;
        step.note({.level = Level::warn,
                   .what = "it can't reach a gatherer",
                   .peer = session.name,
                   .detail = where + "; open that port to it, or let the gatherer --advertise "
                                     "another address"});
        const bool is_first = std::ranges::none_of(owners_.sessions.all(), [&](const auto& item) {
            return &item.second != &session && !item.second.reaches(wall.gatherer);
        });
        if (session.role != wire::Role::worker || !is_first) continue;  // one notice will do
        for (const JobId& id : owners_.jobs.running())
            if (const Job& job = owners_.jobs.at(id); job.assignment->known.name == wall.gatherer)
                owners_.gathering.tell_clients(
                    step, job,
                    wire::Notice{.job = id,
                                 .text = "worker " + session.name + " can't reach " + where +
                                         ": it gets no more work of this job"});
    }
    for (const wire::Unreached& wall : before)
        if (!now.contains(wall.gatherer))
            step.note({.what = "it reaches the gatherer again",
                       .peer = session.name,
                       .detail = wall.gatherer});
    return true;
}

}  // namespace fanfold::broker
