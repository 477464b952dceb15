#include "broker/core/choice.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "broker/state/jobs.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

namespace {
PeerId least_busy(const Owners& owners, const std::vector<PeerId>& gatherers) {
    if (gatherers.size() < 2) return gatherers.empty() ? PeerId{} : gatherers.front();
    std::map<PeerId, std::size_t> jobs;
    for (const PeerId& peer : gatherers) jobs[peer] = 0;
    for (const JobId& id : owners.jobs.running())
        if (auto it = jobs.find(owners.jobs.at(id).assignment->gatherer); it != jobs.end())
            ++it->second;
    auto busy = [](const auto& item) { return item.second; };
    return std::ranges::min_element(jobs, {}, busy)->first;
}
}  // namespace

PeerId choose_gatherer(const Owners& owners, const std::string& preferred) {
    for (const bool draining : {false, true}) {
        std::vector<PeerId> gatherers;
        for (const PeerId& peer : owners.sessions.gatherers()) {
            const Session& session = owners.sessions.at(peer);
            if (session.draining != draining) continue;
            if (session.gatherer.name == preferred) return peer;
            gatherers.push_back(peer);
        }
        if (!gatherers.empty()) return least_busy(owners, gatherers);
    }
    return {};
}

PeerId choose_other_gatherer(const Owners& owners, const PeerId& gatherer) {
    const bool has_store = owners.sessions.at(gatherer).gatherer.has_store();
    std::vector<PeerId> others;
    for (const PeerId& peer : owners.sessions.gatherers()) {
        const Session& session = owners.sessions.at(peer);
        if (peer != gatherer && session.knows_moves() && !session.draining &&
            session.trouble.empty() && (session.gatherer.has_store() || !has_store))
            others.push_back(peer);
    }
    return least_busy(owners, others);
}

}  // namespace fanfold::broker
