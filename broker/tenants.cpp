// Users: whose connection is whose, and what each may do and see.
#include "broker/tenants.hpp"

#include <algorithm>
#include <utility>

#include "broker/core.hpp"

namespace fanfold::broker {

namespace {

std::string roles_text(Roles roles) {
    std::string text;
    auto add = [&](Access access, const char* name) {
        if (roles.has(access)) text += (text.empty() ? "" : ", ") + std::string(name);
    };
    add(Access::submit, "submit");
    add(Access::work, "work");
    add(Access::gather, "gather");
    add(Access::admin, "admin");
    return text.empty() ? "none" : text;
}

/// The role of a key without which a session of this kind can't be.
Access access_of(wire::Role role) {
    switch (role) {
        case wire::Role::client: return Access::submit;
        case wire::Role::worker: return Access::work;
        case wire::Role::gatherer: return Access::gather;
    }
    return Access::admin;
}

}  // namespace

std::string user_text(const std::string& user) { return user.empty() ? "nobody in particular" : "user " + user; }

/// What a sender may not do is passed over, counted, and told to the log.
void Core::deny(const PeerId& from, const Sender& sender, const std::string& what, std::optional<JobId> job) {
    ++denied_;
    Seldom& denials = tenants_[sender.user].denials;
    if (!denials.happened(now_)) return;
    auto session = sessions_.find(from);
    note({.level = Level::warn,
          .what = "denied",
          .job = job,
          .peer = session == sessions_.end() ? to_string(from) : session->second.name,
          .detail = what + ", by " + user_text(sender.user) + "; " + std::to_string(denials.count()) + " so far"});
}

void Core::deny_aloud(const PeerId& from, const Sender& sender, const std::string& what, std::string text) {
    deny(from, sender, what);
    send(from, wire::Refused{.code = wire::RefusalCode::not_allowed, .text = std::move(text)});
}

void Core::on(Denied& event) {
    if (event.from.bytes.empty()) return deny({}, event.sender, event.what);
    deny_aloud(event.from, event.sender, event.what,
               user_text(event.sender.user) + " may not send " + event.what + "; the roles of its key: " + roles_text(event.sender.roles) +
                   "; ask the broker's administrator for another");
}

/// The job, if there is one that the peer may see. Whoever may not is answered as if there were none; the log knows better.
Job* Core::find_for(const PeerId& from, const JobId& id, const char* what) {
    Job* job = find(id);
    const Sender& sender = sessions_.at(from).sender;
    if (!job || may_see(sender, *job)) return job;
    deny(from, sender, std::string(what) + " of a job of " + user_text(job->user), id);
    return nullptr;
}

/// Whether the connection, as far as it is known, is of the same user.
bool Core::may_own(const PeerId& peer, const Sender& sender) const {
    auto session = sessions_.find(peer);
    return session == sessions_.end() || (session->second.role == wire::Role::client && session->second.sender.user == sender.user);
}

/// Whether that name is the one of another user's gatherer, which is connected, or for which jobs wait.
bool Core::is_taken(const wire::Hello& hello, const Sender& sender) const {
    if (hello.role != wire::Role::gatherer) return false;
    for (const PeerId& peer : gatherers_) {
        const Session& other = sessions_.at(peer);
        if (other.gatherer.name == hello.gatherer.name && other.sender.user != sender.user) return true;
    }
    if (!allowed_keys_) return false;
    return std::ranges::any_of(orphaned_, [&](const auto& waiting) {
        const wire::GathererRef& known = jobs_.at(waiting.first).gatherer_ref;
        auto key = allowed_keys_->find(known.public_key);
        return known.name == hello.gatherer.name && key != allowed_keys_->end() && key->second.user != sender.user;
    });
}

// --- keys -----------------------------------------------------------------------------------------------------------

bool Core::is_let_in(const Session& session) const {
    if (session.sender.user.empty()) return true;  // within this program, or without keys
    auto known = allowed_keys_->find(session.sender.public_key);
    if (known == allowed_keys_->end() || known->second.user != session.sender.user) return false;
    Roles roles{known->second.roles};
    return roles.has(access_of(session.role)) || (session.role == wire::Role::client && roles.has(Access::admin));
}

void Core::on(KeysChanged& event) {
    allowed_keys_.emplace();
    for (wire::AllowedKey& key : event.keys) {
        std::string name = key.public_key;
        allowed_keys_->insert_or_assign(std::move(name), std::move(key));
    }
    std::vector<PeerId> out;
    for (const auto& [peer, session] : sessions_)
        if (!is_let_in(session)) out.push_back(peer);
    for (const PeerId& peer : out) {
        send(peer, wire::Refused{.code = wire::RefusalCode::not_allowed,
                                 .text = "the key of this connection is no longer let in; ask the broker's administrator"});
        lose(peer, "its key is no longer let in", false);
    }
    for (const PeerId& gatherer : gatherers_) tell_keys(gatherer);
}

void Core::tell_keys(const PeerId& gatherer) {
    if (!allowed_keys_) return;
    wire::AllowedKeys message;
    for (const auto& [name, key] : *allowed_keys_) message.keys.push_back(key);
    send(gatherer, std::move(message));
}

}  // namespace fanfold::broker
