#include "broker/state/sessions.hpp"

#include <utility>

#include "shared/events/idling.hpp"

namespace fanfold::broker {

Session& Sessions::add(const Step& step, const PeerId& peer, wire::Hello& hello,
                       const Sender& sender) {
    Session& session = all_[peer];
    session.role = hello.role;
    session.name = hello.name.empty() ? to_string(peer) : hello.name;
    session.epoch = hello.epoch;
    session.minor = hello.minor;
    session.offer = {.slots = std::clamp(hello.slots, 1u, limits::slots),
                     .functions = {hello.functions.begin(), hello.functions.end()},
                     .idempotent = {hello.idempotent.begin(), hello.idempotent.end()},
                     .labels = {hello.labels.begin(), hello.labels.end()},
                     .resources = {}};
    for (const wire::Resource& resource : hello.resources)
        session.offer.resources[resource.name] = resource.amount;
    session.gatherer = std::move(hello.gatherer);
    session.gatherer.public_key = sender.public_key;  // what it has proved, whatever it says
    session.gatherer.minor = hello.minor;
    names_[session.name].insert(peer);
    if (session.role == wire::Role::gatherer) gatherers_.insert(peer);
    session.joined = step.lived;
    hear(step, session, sender);
    return session;
}

Session& Sessions::add_absent(const PeerId& absent, const Session& before) {
    Session& session = all_[absent];
    session.role = before.role;
    session.sender = before.sender;
    session.name = before.name;
    session.epoch = before.epoch;
    session.joined = before.joined;
    session.heard = before.heard;
    names_[session.name].insert(absent);
    return session;
}

void Sessions::hear(const Step& step, Session& session, const Sender& sender) {
    session.heard = step.lived;
    session.sender = sender;
}

void Sessions::hear(const Step& step, const Arriving& part) {
    Session* session = find(part.from);
    if (session && session->sender.user == part.sender.user) hear(step, *session, part.sender);
}

Session Sessions::take_out(const PeerId& peer) {
    auto it = all_.find(peer);
    Session session = std::move(it->second);
    all_.erase(it);
    gatherers_.erase(peer);
    auto named = names_.find(session.name);
    named->second.erase(peer);
    if (named->second.empty()) names_.erase(named);
    return session;
}

std::vector<PeerId> Sessions::beat(Step& step) {
    if (step.now < next_beat_) return {};
    next_beat_ = step.now + heartbeat();
    const Duration idle_interval = idle_beats(heartbeat(), options_.worker_timeout) * heartbeat();
    std::vector<PeerId> silent;
    for (auto& [peer, session] : all_) {
        if (*session.absence) continue;
        if (step.lived - session.heard > options_.worker_timeout) {
            silent.push_back(peer);
        } else if (!session.is_idle_worker() ||
                   step.now - session.beaten >= idle_interval - heartbeat() / 2) {
            session.beaten = step.now;
            step.send(peer, wire::Heartbeat{.handled = session.load->sequence});
        }
    }
    return silent;
}

std::vector<wire::GathererRef> Sessions::told_gatherers() const {
    std::vector<wire::GathererRef> told;
    for (const PeerId& peer : gatherers_) told.push_back(at(peer).gatherer);
    return told;
}

bool Sessions::has_room_for(const wire::Hello& hello) const {
    return gatherers_.size() < limits::gatherers ||
           std::ranges::any_of(gatherers_, [&](const PeerId& peer) {
               const Session& other = at(peer);
               return other.gatherer.name == hello.gatherer.name &&
                      (other.epoch != hello.epoch || other.name == hello.name);
           });
}

bool Sessions::await_jobs(LivedTime lived) const {
    return std::ranges::any_of(gatherers_, [&](const PeerId& peer) {
        const Session& gatherer = at(peer);
        return gatherer.knows_holds() && !gatherer.told_jobs && gatherer.trouble.empty() &&
               lived - gatherer.joined < limits::jobs_awaited_for;
    });
}

std::optional<PeerId> Sessions::gatherer_named(const std::string& name) const {
    std::optional<PeerId> found;
    for (const PeerId& peer : gatherers_)
        if (at(peer).gatherer.name == name) found = peer;
    return found;
}

PeerId Sessions::earlier(const PeerId& peer) const {
    const Session& session = at(peer);
    PeerId earlier;
    for (const PeerId& id : names_.at(session.name))
        if (const Session& other = at(id); id != peer && other.role == session.role &&
                                           other.epoch == session.epoch &&
                                           other.sender.user == session.sender.user)
            earlier = id;
    return earlier;
}

std::optional<PeerId> Sessions::namesake(const wire::Hello& hello, const std::string& user) const {
    if (hello.role == wire::Role::gatherer) {
        auto peer = gatherer_named(hello.gatherer.name);
        return peer && at(*peer).epoch != hello.epoch ? peer : std::nullopt;
    }
    auto named = names_.find(hello.name);
    if (hello.role != wire::Role::worker || named == names_.end()) return std::nullopt;
    for (const PeerId& peer : named->second)
        if (const Session& other = at(peer); other.role == wire::Role::worker &&
                                             other.epoch != hello.epoch &&
                                             other.sender.user == user && !*other.absence)
            return peer;
    return std::nullopt;
}

std::vector<PeerId> Sessions::other_lives(const Session& worker) const {
    std::vector<PeerId> others;
    for (const PeerId& id : names_.at(worker.name))
        if (const Session& other = at(id); other.role == worker.role &&
                                           other.epoch != worker.epoch &&
                                           other.sender.user == worker.sender.user)
            others.push_back(id);
    return others;
}

std::string Sessions::name_of(const PeerId& peer) const {
    auto it = all_.find(peer);
    return it == all_.end() ? to_string(peer) : it->second.name;
}

std::string Sessions::who(const PeerId& peer) const {
    std::string who = "by " + name_of(peer);
    auto it = all_.find(peer);
    if (it == all_.end()) return who;
    const Session& session = it->second;
    if (!session.sender.user.empty()) who += ", user " + session.sender.user;
    return session.address.empty() ? who : who + ", at " + session.address;
}

wire::Milliseconds Sessions::heartbeat() const {
    return std::min(std::chrono::floor<wire::Milliseconds>(options_.worker_timeout / 4),
                    wire::Milliseconds(limits::heartbeat_interval));
}

void Sessions::check_invariants() const {
    std::size_t named = 0;
    for (const auto& [name, peers] : names_) {
        named += peers.size();
        for (const PeerId& peer : peers) FANFOLD_CHECK(at(peer).name == name);
    }
    FANFOLD_CHECK(named == all_.size() && gatherers_.size() <= limits::gatherers);
    for (const auto& [peer, session] : all_)
        FANFOLD_CHECK(gatherers_.contains(peer) == (session.role == wire::Role::gatherer));
}

}  // namespace fanfold::broker
