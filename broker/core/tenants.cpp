// Users: whose connection is whose, and what each may do and see.
#include "broker/core/tenants.hpp"

#include <algorithm>
#include <utility>

#include "broker/core/core.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::broker {

namespace {

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

std::string user_text(const std::string& user) {
    return user.empty() ? "nobody in particular" : "user " + user;
}

std::optional<Duration> Bucket::take(Time now, std::uint64_t a_minute) {
    auto most = static_cast<double>(a_minute);
    double minutes =
        since_ ? std::chrono::duration<double, std::ratio<60>>(now - *since_).count() : 1;
    left_ = std::min(most, left_ + most * minutes);
    since_ = now;
    constexpr double whole = 1 - 1e-9;
    if (left_ < whole)
        return std::chrono::duration_cast<Duration>(
            std::chrono::duration<double, std::ratio<60>>((1 - left_) / most));
    left_ -= 1;
    return {};
}

// What a peer's Hello, or a job, names is kept for long, and told in reports.
namespace {
constexpr std::size_t bytes_each = 16;  // of a text, however short
std::size_t bytes_of(const std::string& text) { return text.size() + bytes_each; }
std::size_t bytes_of(const wire::Resource& resource) { return bytes_of(resource.name); }
template <class T>
std::size_t bytes_of(const std::vector<T>& all) {
    std::size_t bytes = 0;
    for (const T& one : all) bytes += bytes_of(one);
    return bytes;
}

std::string why_too_much(std::size_t labels, std::size_t bytes) {
    if (labels > limits::labels)
        return std::to_string(labels) + " labels or resources are named, " +
               std::to_string(limits::labels) + " is the most; leave some out";
    if (bytes > limits::names_bytes)
        return "names and texts take " + std::to_string(bytes) + " bytes, " +
               std::to_string(limits::names_bytes) +
               " is the most; shorten them, or leave some out";
    return {};
}
}  // namespace

std::string why_too_much(const wire::Hello& hello) {
    const wire::GathererRef& gatherer = hello.gatherer;
    return why_too_much(std::max(hello.labels.size(), hello.resources.size()),
                        bytes_of(hello.name) + bytes_of(hello.functions) +
                            bytes_of(hello.idempotent) + bytes_of(hello.labels) +
                            bytes_of(hello.resources) + bytes_of(gatherer.name) +
                            bytes_of(gatherer.results) + bytes_of(gatherer.collect));
}

std::string why_too_much(const wire::JobSpec& spec) {
    return why_too_much(std::max(spec.require.size(), spec.resources.size()),
                        bytes_of(spec.function) + bytes_of(spec.title) + bytes_of(spec.cwd) +
                            bytes_of(spec.environment) + bytes_of(spec.preferred_gatherer) +
                            bytes_of(spec.key) + bytes_of(spec.require) + bytes_of(spec.resources));
}

/// What a sender may not do is passed over, counted, and told to the log.
void Core::deny(const PeerId& from, const Sender& sender, const std::string& what,
                std::optional<JobId> job) {
    ++denied_;
    Seldom& denials = tenants_[sender.user].denials;
    if (!denials.happened(now_)) return;
    auto session = sessions_.find(from);
    note({.level = Level::warn,
          .what = "denied",
          .job = job,
          .peer = session == sessions_.end() ? to_string(from) : session->second.name,
          .detail = what + ", by " + user_text(sender.user) + "; " +
                    std::to_string(denials.count()) + " so far"});
}

void Core::deny_aloud(const PeerId& from, const Sender& sender, const std::string& what,
                      std::string text) {
    deny(from, sender, what);
    strike(from, sender, nullptr, {});
    send(from, wire::Refused{.code = wire::RefusalCode::not_allowed, .text = std::move(text)});
}

void Core::on(Denied& event) {
    if (is_ignored(event.from, event.sender)) return;
    if (event.from.bytes.empty()) {
        deny({}, event.sender, event.what);
        return strike({}, event.sender, nullptr, {});
    }
    deny_aloud(event.from, event.sender, event.what,
               user_text(event.sender.user) + " may not send " + event.what +
                   "; the roles of its key: " + to_string(event.sender.roles) +
                   "; ask the broker's administrator for another");
}

/// What is late, or comes again, does nothing: it is counted, and told to the log.
void Core::pass_over(const PeerId& from, const std::string& what, std::optional<JobId> job) {
    if (!stale_.happened(now_)) return;
    auto session = sessions_.find(from);
    note({.what = "passed over what is stale",
          .job = job,
          .peer = session == sessions_.end() ? to_string(from) : session->second.name,
          .detail = what + "; " + std::to_string(stale_.count()) + " so far"});
}

/// The job, if there is one that the peer may see. Whoever may not is answered as if there were
/// none; the log knows better.
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
    return session == sessions_.end() || (session->second.role == wire::Role::client &&
                                          session->second.sender.user == sender.user);
}

/// Whether that name is the one of another user's gatherer, which is connected, or for which jobs
/// wait.
bool Core::is_taken(const wire::Hello& hello, const Sender& sender) const {
    if (hello.role != wire::Role::gatherer) return false;
    for (const PeerId& peer : gatherers_) {
        const Session& other = sessions_.at(peer);
        if (other.gatherer.name == hello.gatherer.name && other.sender.user != sender.user)
            return true;
    }
    if (!allowed_keys_) return false;
    return std::ranges::any_of(orphaned_, [&](const auto& waiting) {
        const wire::GathererRef& known = jobs_.at(waiting.first).gatherer_ref;
        auto key = allowed_keys_->find(known.public_key);
        return known.name == hello.gatherer.name && key != allowed_keys_->end() &&
               key->second.user != sender.user;
    });
}

/// Whether that gatherer has been started again since.
bool Core::is_past(const wire::Hello& hello) const {
    return hello.role == wire::Role::gatherer &&
           std::ranges::any_of(gatherers_, [&](const PeerId& peer) {
               const wire::GathererRef& other = sessions_.at(peer).gatherer;
               return other.name == hello.gatherer.name &&
                      other.epoch.number > hello.gatherer.epoch.number;
           });
}

// --- limits
// ---------------------------------------------------------------------------------------------------------

const UserLimits& Core::limits_of(const std::string& user) const {
    auto own = limits_.find(user);
    return own == limits_.end() ? others_ : own->second;
}

/// How it is changed: by an option of the broker, or in its file of allowed keys.
std::string Core::limit_text(const std::string& user, const char* name) const {
    bool of_options = !limits_.contains(user) && others_ == options_.user_limits;
    return (user.empty() ? "" : " of user " + user) +
           (of_options ? " (--user-" + std::string(name) + ')'
                       : " (" + std::string(name) + "= in its allowed keys)");
}

/// Why the user may not have another job that runs; empty if it may.
std::string Core::why_no_job(const std::string& user) {
    const std::uint64_t most = limits_of(user).open_jobs;
    const Tenant& tenant = tenants_[user];
    if (most > 0 && tenant.open_jobs >= most)
        return "the broker takes at most " + std::to_string(most) + " open jobs" +
               limit_text(user, "jobs") + "; wait until one has ended, or cancel one";
    if (tenant.unsealed_jobs >= most_unsealed_jobs)
        return "the broker takes at most " + std::to_string(most_unsealed_jobs) +
               " unfinished submissions of one user; finish or cancel some";
    return {};
}

/// Why the user may not open one now.
std::string Core::why_no_submission(const std::string& user) {
    const std::uint64_t most = limits_of(user).submissions;
    if (most == 0) return {};
    auto wait = tenants_[user].submissions.take(now_, most);
    if (!wait) return {};
    return "the broker takes at most " + std::to_string(most) + " jobs a minute" +
           limit_text(user, "submissions") + "; try again in " +
           std::to_string(std::chrono::ceil<std::chrono::seconds>(*wait).count()) + " s";
}

std::string Core::why_too_large(const std::string& user, const wire::Block& block,
                                const Slice& body) const {
    const UserLimits& most = limits_of(user);
    if (most.payload_bytes > 0)
        if (auto beyond = payload_beyond(block, body, most.payload_bytes))
            return "fragment " + std::to_string(beyond->index) + ": its payload has " +
                   std::to_string(beyond->bytes) + " bytes, the broker takes at most " +
                   std::to_string(most.payload_bytes) + limit_text(user, "payload") +
                   "; split it, or pass the name of a file instead";
    return why_too_many(user, std::max(block.first + block.count, block.total.value_or(0)));
}

std::string Core::why_too_many(const std::string& user, std::uint64_t fragments) const {
    const std::uint64_t most = limits_of(user).fragments;
    if (most == 0 || fragments <= most) return {};
    return "the broker takes at most " + std::to_string(most) + " fragments in a job" +
           limit_text(user, "fragments") + "; split the job, or let each fragment do more";
}

bool Core::user_has_room(const Job& job) const {
    const std::uint64_t most = limits_of(job.user).held_bytes;
    return most == 0 || job.tenant->held_bytes < most;
}

/// What the job may send ahead, by what its user may still have held.
std::uint64_t Core::room_of_user(const std::string& user) {
    const std::uint64_t most = limits_of(user).held_bytes;
    if (most == 0) return window();
    return std::min(window(), most - std::min(most, tenants_[user].held_bytes));
}

/// A job that waits until its user has fewer bytes held, because of any of its jobs, goes on when
/// it has.
void Core::offer_room(Job& job) {
    if (job.total || limits_of(job.user).held_bytes == 0) return;
    if (!user_has_room(job) && !options_.durable) drop_retained_of(job.user);
    if (user_has_room(job)) {
        if (job.short_since) tell_credit(job, true);
        else tell_credit(job, false);
        job.short_since.reset();
    } else if (!job.short_since) {
        job.short_since = now_;
    }
    tell_notice(job);
}

/// Without a store: what is retained for retries makes room first.
void Core::drop_retained_of(const std::string& user) {
    std::erase_if(retained_, [&](const JobId& id) {
        Job* job = find(id);
        if (!job || job->running() || job->user != user) return false;
        job->payloads().clear();
        account(*job);
        return true;
    });
}

// --- keys
// -----------------------------------------------------------------------------------------------------------

bool Core::is_let_in(const Session& session) const {
    if (session.sender.user.empty()) return true;  // within this program, or without keys
    auto known = allowed_keys_->find(session.sender.public_key);
    if (known == allowed_keys_->end() || known->second.user != session.sender.user) return false;
    Roles roles{known->second.roles};
    return roles.has(access_of(session.role)) ||
           (session.role == wire::Role::client && roles.has(Access::admin));
}

void Core::on(KeysChanged& event) {
    limits_ = std::move(event.limits);
    others_ = event.others == UserLimits{} ? options_.user_limits : event.others;
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
                                 .text = "the key of this connection is no longer let in; ask the "
                                         "broker's administrator"});
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
