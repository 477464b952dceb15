// Sessions and time. Jobs are in clients.cpp, workers in fleet.cpp, gatherers in gathering.cpp.
#include "broker/core/core.hpp"

#include <utility>

#include "shared/events/idling.hpp"

namespace fanfold::broker {

namespace {
constexpr auto hello_first = "say Hello first";
constexpr auto sweep_interval = std::chrono::milliseconds(100);
constexpr auto idle_sweep_interval = std::chrono::milliseconds(500);
constexpr auto later_by = std::chrono::milliseconds(2);  // what is off the path of small jobs
}  // namespace

Core::Core(Options options) : options_(std::move(options)), others_(options_.user_limits) {}

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    actions_ = &actions;
    now_ = now;
    lived_.advance(now);
    std::visit([this](auto& known) { on(known); }, event);
    if (cut_off_) cut_off();
    dispatch();
    look_for_work();
    if (later_at_ && *later_at_ <= now_) flush_later();
    if (flush_at_ && *flush_at_ <= now_) flush_releases();
    actions_ = nullptr;
}

Time Core::next_wakeup() const {
    Time next = std::min({next_heartbeat_, next_sweep(), std::max(next_look_, no_look_before_)});
    if (later_at_) next = std::min(next, *later_at_);
    return flush_at_ ? std::min(next, *flush_at_) : next;
}

Job* Core::find(const JobId& job) {
    auto it = jobs_.find(job);
    return it == jobs_.end() ? nullptr : &it->second;
}

void Core::send(const PeerId& to, wire::Message message, Slice body) {
    actions_->push_back(Send{to, std::move(message), std::move(body)});
}

void Core::send_later(const PeerId& to, wire::Message message) {
    later_.push_back({to, std::move(message), {}});
    flush_soon();
}

void Core::flush_soon() {
    if (!later_at_) later_at_ = now_ + later_by;
}

void Core::flush_later() {
    later_at_.reset();
    for (Send& message : std::exchange(later_, {})) actions_->push_back(std::move(message));
    forget_ended();
}

void Core::refuse(const PeerId& to, wire::RefusalCode code, std::string text,
                  std::optional<JobId> job) {
    bool usual = code == wire::RefusalCode::malformed &&
                 text == hello_first;  // after each restart, from all peers
    note({.level = usual ? Level::debug : Level::warn,
          .what = "refused",
          .job = job,
          .peer = to_string(to),
          .detail = text});
    send(to, wire::Refused{.code = code, .text = std::move(text), .job = job});
}

void Core::on(Garbled& event) {
    if (is_ignored(event.from, event.sender)) return;
    strike(event.from, event.sender, "dropped bytes that are no message", std::move(event.why),
           event.bytes);
}

void Core::on(StoreTrouble& event) {
    trouble_ = std::move(event.text);
    if (trouble_.empty()) note({.what = "the store works again"});
    else note({.level = Level::error, .what = "nothing new is accepted", .detail = trouble_});
    for (const JobId& id : running_)
        if (const Job& job = *find(id); !trouble_.empty() && !job.owner.bytes.empty())
            send(job.owner,
                 wire::Notice{.job = id,
                              .text = "the broker accepts nothing at present: " + trouble_});
}

void Core::on(Unroutable& event) {
    lose(event.peer, event.unread ? "it does not read what it is sent" : "its connection is closed",
         false);
}

void Core::on(Pulled& event) {
    if (is_ignored({}, event.sender)) return;
    if (auto* block = std::get_if<wire::Block>(&event.message))
        return on_block(*block, std::move(event.body), event.sender);
    strike({}, event.sender, "dropped a message that is no block", wire::name_of(event.message));
}

void Core::on(Received& event) {
    const PeerId& from = event.from;
    if (is_ignored(from, event.sender)) return;
    auto it = sessions_.find(from);
    if (it != sessions_.end() && it->second.sender.user != event.sender.user)
        return deny_aloud(from, event.sender, wire::name_of(event.message),
                          "this connection's name is that of another user's; take a new one");
    if (auto* hello = std::get_if<wire::Hello>(&event.message))
        return welcome(from, *hello, event.sender);
    if (it == sessions_.end()) {
        pass_over(from, std::string(wire::name_of(event.message)) + " without a session");
        return refuse(from, wire::RefusalCode::malformed, hello_first);
    }
    Session& session = it->second;
    session.heard = lived_.now();
    session.sender = std::move(event.sender);  // its roles may have changed
    if (std::holds_alternative<wire::Bye>(event.message))
        return lose(from, "it said goodbye", true);

    bool known = false;
    auto handle = [&]<class T>(wire::Role role, auto action) {
        auto* message = std::get_if<T>(&event.message);
        if (!message || session.role != role) return;
        known = true;
        action(*message);
    };
    using wire::Role;
    handle.operator()<wire::Done>(Role::worker,
                                  [&](auto& m) { on_done(from, session, m, event.body); });
    handle.operator()<wire::Heartbeat>(Role::worker,
                                       [&](auto& m) { on_inventory(from, session, m); });
    handle.operator()<wire::Heartbeat>(Role::client, [&](auto&) {});
    handle.operator()<wire::Heartbeat>(Role::gatherer, [&](auto&) {});
    handle.operator()<wire::Seal>(Role::client, [&](auto& m) { on_seal(from, m); });
    handle.operator()<wire::Cancel>(Role::client, [&](auto& m) { on_cancel(from, m); });
    handle.operator()<wire::Watch>(Role::client, [&](auto& m) { on_watch(from, m); });
    handle.operator()<wire::Query>(Role::client, [&](auto& m) { on_query(from, m); });
    handle.operator()<wire::Find>(Role::client, [&](auto& m) { on_find(from, m); });
    handle.operator()<wire::Adjust>(Role::client, [&](auto& m) { on_adjust(from, m); });
    handle.operator()<wire::Retry>(Role::client, [&](auto& m) { on_retry(from, m); });
    handle.operator()<wire::Forget>(Role::client, [&](auto& m) { on_forget(from, m); });
    handle.operator()<wire::Gathered>(Role::gatherer, [&](auto& m) { on_gathered(from, m); });
    handle.operator()<wire::Propose>(Role::gatherer, [&](auto& m) { on_propose(from, m); });
    handle.operator()<wire::Forgotten>(Role::gatherer, [&](auto& m) { on_forgotten(from, m); });
    if (!known)
        deny_aloud(from, session.sender, wire::name_of(event.message),
                   std::string("a ") + wire::to_string(session.role) + " may not send " +
                       wire::name_of(event.message));
}

void Core::welcome(const PeerId& peer, wire::Hello& hello, const Sender& sender) {
    if (hello.major != wire::version_major) {
        auto ours = std::to_string(wire::version_major) + "." + std::to_string(wire::version_minor);
        auto theirs = std::to_string(hello.major) + "." + std::to_string(hello.minor);
        return refuse(peer, wire::RefusalCode::version,
                      "this broker speaks protocol version " + ours + ", the peer " + theirs +
                          "; run the same release on both sides");
    }
    bool fresh = !sessions_.contains(peer);
    if (fresh && is_taken(hello, sender))
        return deny_aloud(peer, sender, "Hello of a gatherer that is another user's",
                          "the gatherer's name '" + hello.gatherer.name +
                              "' is that of another user's; choose another with --name");
    if (std::string why = why_too_much(hello); !why.empty())
        return refuse(peer, wire::RefusalCode::too_large, why);
    if (fresh && is_past(hello)) {
        pass_over(peer, "Hello of an earlier life of gatherer " + hello.gatherer.name);
        return refuse(peer, wire::RefusalCode::conflict,
                      "the gatherer '" + hello.gatherer.name +
                          "' has been started again since; choose another name with --name");
    }
    Session& session = sessions_[peer];
    session.heard = lived_.now();
    session.sender = sender;
    if (fresh) {
        session.role = hello.role;
        session.name = hello.name.empty() ? to_string(peer) : hello.name;
        session.epoch = hello.epoch;
        session.slots = std::clamp(hello.slots, 1u, limits::slots);
        session.functions = {hello.functions.begin(), hello.functions.end()};
        session.gatherer = std::move(hello.gatherer);
        session.gatherer.public_key = sender.public_key;  // what it has proved, whatever it says
        session.idempotent = {hello.idempotent.begin(), hello.idempotent.end()};
        session.labels = {hello.labels.begin(), hello.labels.end()};
        for (const wire::Resource& resource : hello.resources)
            session.resources[resource.name] = resource.amount;
    }
    wire::Welcome welcome{.epoch = options_.epoch, .blocks = options_.blocks};
    for (const PeerId& gatherer : gatherers_)
        welcome.gatherers.push_back(sessions_.at(gatherer).gatherer);
    welcome.heartbeat = heartbeat();
    welcome.timeout = std::chrono::floor<wire::Milliseconds>(options_.worker_timeout);
    const UserLimits& most = limits_of(sender.user);
    welcome.payload_bytes = most.payload_bytes > 0
                                ? std::min<std::uint64_t>(most.payload_bytes, limits::payload_bytes)
                                : limits::payload_bytes;
    welcome.block_bytes = limits::block_bytes;
    welcome.job_credit = room_of_user(sender.user);
    send(peer, std::move(welcome));
    if (session.role == wire::Role::gatherer) tell_keys(peer);
    if (!fresh) return;

    note({.what = "peer joined", .peer = session.name, .detail = wire::to_string(session.role)});
    // The same life of a peer over a new connection takes over what the old one had.
    PeerId earlier;
    for (const PeerId& id : names_[session.name])
        if (const Session& other = sessions_.at(id); other.role == session.role &&
                                                     other.epoch == session.epoch &&
                                                     other.sender.user == sender.user)
            earlier = id;
    names_[session.name].insert(peer);
    // A gatherer that was started again is known by its name: what is left of the life before gets
    // no job any more.
    std::vector<PeerId> past;
    for (const PeerId& id : gatherers_)
        if (const Session& other = sessions_.at(id); session.role == wire::Role::gatherer &&
                                                     other.epoch != session.epoch &&
                                                     other.gatherer.name == session.gatherer.name)
            past.push_back(id);
    if (session.role == wire::Role::gatherer) gatherers_.insert(peer);
    for (const PeerId& id : past) lose(id, "it was started again", false);
    switch (session.role) {
        case wire::Role::worker:
            pools_.join(peer, session);
            place(peer, session);
            adopt_worker(earlier, peer, session);
            tell_notices(session.pools, 1);
            break;
        case wire::Role::gatherer: adopt_gatherer(peer, session); break;
        case wire::Role::client: adopt_client(peer, session); break;
    }
    if (!earlier.bytes.empty()) take_out(earlier);
}

void Core::lose(const PeerId& peer, const char* why, bool in_good_order) {
    auto it = sessions_.find(peer);
    if (it == sessions_.end()) return;
    std::vector<Pool*> pools = it->second.pools;
    Session session = take_out(peer);
    note({.level = in_good_order ? Level::info : Level::warn,
          .what = "peer gone",
          .peer = session.name,
          .detail = why});
    switch (session.role) {
        case wire::Role::worker:
            lose_worker(peer, session, in_good_order);
            tell_notices(pools, 0);
            break;
        case wire::Role::gatherer: lose_gatherer(peer, session); break;
        case wire::Role::client: lose_client(peer, session); break;
    }
}

Session Core::take_out(const PeerId& peer) {
    auto it = sessions_.find(peer);
    pools_.leave(peer, it->second);
    Session session = std::move(it->second);
    sessions_.erase(it);
    gatherers_.erase(peer);
    auto named = names_.find(session.name);
    named->second.erase(peer);
    if (named->second.empty()) names_.erase(named);
    return session;
}

void Core::on(Tick&) {
    if (now_ >= next_heartbeat_) {
        next_heartbeat_ = now_ + heartbeat();
        send_heartbeats();
    }
    if (now_ >= next_sweep()) {
        swept_ = now_;
        sweep();
    }
}

wire::Milliseconds Core::heartbeat() const {
    return std::min(std::chrono::floor<wire::Milliseconds>(options_.worker_timeout / 4),
                    wire::Milliseconds(limits::heartbeat_interval));
}

Time Core::next_sweep() const {
    return swept_ + (running_.empty() && finds_.empty() ? idle_sweep_interval : sweep_interval);
}

void Core::send_heartbeats() {
    const Duration idle_interval = idle_beats(heartbeat(), options_.worker_timeout) * heartbeat();
    std::vector<PeerId> silent;
    for (auto& [peer, session] : sessions_) {
        if (lived_.now() - session.heard > options_.worker_timeout) {
            silent.push_back(peer);
        } else if (!session.is_idle_worker() ||
                   now_ - session.beaten >= idle_interval - heartbeat() / 2) {
            session.beaten = now_;
            send(peer, wire::Heartbeat{});
        }
    }
    for (const PeerId& peer : silent) lose(peer, "it is silent", false);
}

void Core::sweep() {
    std::vector<JobId> overdue, unleased;
    for (const JobId& id : running_) {
        Job& job = *find(id);
        if (job.limbo_until() && *job.limbo_until() <= now_) job.requeue_limbo(now_);
        ready(job);
        assign_again(job);
        offer_room(job);
        send_errors(job, false);
        if (job.lease_until && *job.lease_until <= now_) unleased.push_back(id);
        else if (job.spec.deadline.count() > 0 &&
                 now_ >= job.opened + job.spec.deadline + limits::deadline_grace)
            overdue.push_back(id);
    }
    for (auto& [peer, session] : sessions_)  // those that have rested
        if (session.role == wire::Role::worker && !session.place) place(peer, session);
    for (const JobId& id : unleased) end(*find(id), wire::Outcome::cancelled, "its client is gone");
    for (const JobId& id : overdue)
        end(*find(id), wire::Outcome::expired,
            "its deadline has passed, and its gatherer " + find(id)->gatherer_ref.name +
                " does not answer");
    end_orphans();
    forget_ended();
    answer_finds();
    bury();
}

void Core::check_invariants() const {
    std::uint64_t held = 0;
    std::map<std::string, Tenant> tenants;
    std::map<PeerId, std::map<LentKey, std::int64_t>> lent;
    for (const auto& [id, job] : jobs_) {
        job.check_invariants();
        if (!job.running()) FANFOLD_CHECK(job.lent_count() == 0);
        FANFOLD_CHECK(job.accounted_bytes == job.payloads().held_bytes());
        held += job.accounted_bytes;
        FANFOLD_CHECK(job.tenant == &tenants_.at(job.user) &&
                      job.tenant_bytes == job.payloads().bytes());
        Tenant& sums = tenants[job.user];
        sums.held_bytes += job.tenant_bytes;
        sums.open_jobs += job.running() ? 1 : 0;
        sums.unsealed_jobs += job.running() && !job.total ? 1 : 0;
        FANFOLD_CHECK(!tombstones_.contains(id));
        if (!job.spec.key.empty()) FANFOLD_CHECK(keys_.at({job.user, job.spec.key}) == id);
        auto loans = job.loans();
        for (auto& span : job.hedges()) loans.push_back(std::move(span));
        for (const auto& span : loans) {
            FANFOLD_CHECK(sessions_.contains(span.value.worker));
            lent[span.value.worker][{span.value.sequence, id}] +=
                static_cast<std::int64_t>(span.range.size());
        }
    }
    for (const auto& [peer, session] : sessions_) {
        FANFOLD_CHECK(session.lent.size() == lent[peer].size());
        std::map<std::string, std::uint64_t> taken;
        for (const auto& [key, chunk] : session.lent) {
            FANFOLD_CHECK(chunk.fragments == lent[peer][key]);
            for (const auto& resource : jobs_.at(key.job).spec.resources)
                taken[resource.name] += resource.amount;
        }
        for (const auto& [name, amount] : session.taken) FANFOLD_CHECK(amount == taken[name]);
    }
    for (const JobId& id : running_)
        FANFOLD_CHECK(jobs_.at(id).running() && jobs_.at(id).pool->jobs.contains(id));
    pools_.check_invariants(sessions_);
    FANFOLD_CHECK(held == held_bytes_);
    for (const auto& [user, tenant] : tenants_) {
        const Tenant& sums = tenants[user];
        FANFOLD_CHECK(tenant.held_bytes == sums.held_bytes && tenant.open_jobs == sums.open_jobs);
        FANFOLD_CHECK(tenant.unsealed_jobs == sums.unsealed_jobs);
    }
    for (const auto& [key, id] : keys_)
        FANFOLD_CHECK(jobs_.at(id).user == key.first && jobs_.at(id).spec.key == key.second);
}

}  // namespace fanfold::broker
