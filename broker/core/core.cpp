#include "broker/core/core.hpp"

#include <algorithm>
#include <concepts>
#include <utility>

#include "shared/base/overloaded.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::broker {

namespace {
/// Inner jobs end with the attempt that they are part of; those within them follow.
void end_orphans(Step& step, const Owners& owners) {
    InnerJobs& inner = owners.dispatcher.inner();
    for (auto ids = inner.take_orphans(step.now); !ids.empty(); ids = inner.take_orphans(step.now))
        for (const JobId& id : ids)
            owners.endings.end(step, owners.jobs.at(id),
                               {.outcome = wire::Outcome::cancelled,
                                .reason = "the attempt that it was part of has ended"});
}
}  // namespace

Core::Core(Options options) : options_(std::move(options)) {}

void Core::restored() {
    restoring_.finish();
    check_invariants();
}

void Core::step(Time now, Event event, std::vector<Action>& actions) {
    now_ = now;
    Step step{.now = now, .lived = lived_.advance(now), .actions = actions};
    restoring_.end_damaged(step);
    std::visit(Overloaded{[&](Arriving& part) {
                              sessions_.hear(step, part);
                              moves_.hear(step, part.from);
                          },
                          [&](Committed& committed) { persistence_.committed(committed); },
                          [&](auto& known) { on(step, known); }},
               event);
    for (const PeerId& peer : conduct_.take_cut_off(step)) lose(step, peer, "it is cut off", true);
    end_orphans(step, owners_);
    dispatcher_.dispatch(step);
    auto wake = [&] {
        if (dispatcher_.take_moved() && !jobs_.running().empty()) idle_work_.wake(now);
    };
    wake();
    idle_work_.scan(step);
    wake();  // a second attempt has left other slots idle
    if (outbox_.has_later(now)) {
        outbox_.flush_later(step);
        retention_.forget_ended(step);
    }
    if (outbox_.has_releases(now)) {
        payloads_.flush_safe(step);  // what is let go of must be known to be safe after a restart
        outbox_.flush_releases(step);
    }
}

Time Core::next_wakeup() const {
    return std::min({sessions_.next_beat(), next_sweep(), idle_work_.next(), outbox_.next()});
}

// --- messages

bool Core::has_room_for(const wire::Message& message, std::uint64_t body_bytes) {
    const auto* block = std::get_if<wire::Block>(&message);
    return !block || payloads_.has_room(jobs_.find(block->job), body_bytes);
}

void Core::on(Step& step, Pulled& event) {
    if (is_ignored({}, event.sender)) return;
    if (auto* block = std::get_if<wire::Block>(&event.message))
        return submissions_.on_block(
            step, *block, event.left_out ? std::nullopt : std::optional(std::move(event.body)),
            event.sender);
    if (auto* mark = std::get_if<wire::Mark>(&event.message))
        return submissions_.on_mark(step, *mark, event.sender);
    conduct_.strike(step, {}, event.sender, "dropped a message that is no block",
                    wire::name_of(event.message));
}

void Core::on(Step& step, Received& event) {
    const PeerId& from = event.from;
    const char* name = wire::name_of(event.message);
    if (is_ignored(from, event.sender)) return;
    Session* session = sessions_.find(from);
    if (session && session->sender.user != event.sender.user)
        return conduct_.deny_aloud(
            step, from, event.sender, name,
            "this connection's name is that of another user's; take a new one");
    if (auto* hello = std::get_if<wire::Hello>(&event.message)) {
        if (auto joined = entrance_.on_hello(step, event, *hello)) join(step, from, *joined);
        return;
    }
    if (!session) {
        conduct_.pass_over(step, from, std::string(name) + " without a session");
        return step.refuse(from, wire::RefusalCode::unknown_session, "say Hello first");
    }
    sessions_.hear(step, *session, event.sender);
    const char* role = wire::to_string(session->role);
    if (!route(step, event, *session))
        conduct_.deny_aloud(step, from, event.sender, name,
                            std::string("a ") + role + " may not send " + name);
}

/// Whether a session of its role may send the message. A kind of message that is not named here is
/// no valid program.
bool Core::route(Step& step, Received& event, Session& session) {
    using namespace wire;
    const PeerId& from = event.from;
    auto of = [&](Role role, auto take) {
        if (session.role == role) take();
        return session.role == role;
    };
    return std::visit(
        Overloaded{
            [&](Bye&) { return lose(step, from, "it said goodbye", true), true; },
            [&](Heartbeat& m) { return on_heartbeat(step, from, session, m), true; },
            [&](Done& m) {
                return of(Role::worker, [&] {
                    auto failed = returns_.on_done(step, from, session, m, event.body);
                    errors_.flush(step, failed);
                    idle_work_.on_recalled(step, from, session, m);
                });
            },
            [&](Relay&) { return of(Role::worker, [&] { relays_.take(step, event); }); },
            [&](HandedRow& m) {
                return of(Role::gatherer,
                          [&] { moves_.on_row(step, from, std::move(m), std::move(event.body)); });
            },
            [&](OneOf<Gathered, Marked, Propose, Forgotten, Holds, Described, RowTaken> auto& m) {
                return of(Role::gatherer, [&] { hear(step, from, session, &m); });
            },
            [&](OneOf<Seal, Cancel, CancelFragments, Watch, Query, Find, Adjust, Retry, Forget,
                      Drain> auto& m) { return of(Role::client, [&] { ask(step, from, &m); }); },
            // What the broker itself says, what comes by its other socket, or goes past it.
            [](OneOf<Hello, Welcome, Refused, Mark, Block, Accepted, Sealed, Located, Notice, Ended,
                     Report, Found, Retried, Adjusted, FragmentsCancelled, Dispatch, Release, Drop,
                     SendAgain, Recall, Examine, Results, Assign, Errors, AllowedKeys, Describe,
                     Drained, HandOver, Collect, Values, Failures, Acknowledge, Concluded> auto&) {
                return false;
            }},
        event.message);
}

void Core::on_heartbeat(Step& step, const PeerId& from, Session& session,
                        wire::Heartbeat& heartbeat) {
    switch (session.role) {
        case wire::Role::worker: returns_.on_inventory(step, from, session, heartbeat); break;
        case wire::Role::gatherer: return conditions_.on_heartbeat(step, from, heartbeat);
        case wire::Role::client: break;
    }
    if (conditions_.on_unreached(step, session, std::move(heartbeat.unreached)) &&
        session.role == wire::Role::worker)
        dispatcher_.place(step.now, step.lived, from, session);
}

void Core::hear(Step& step, const PeerId& from, Session& session, Word word) {
    std::visit(Overloaded{[&](wire::Gathered* m) {
                              reconciling_.on_gathered(from, *m);
                              if (Job* job = gathering_.on_gathered(step, from, *m))
                                  clients_.tell_credit(step, *job);
                          },
                          [&](wire::Marked* m) {
                              gathering_.on_marked(step, from, *m);
                              reconciling_.on_marked(step, from, *m);
                              relays_.answered(step, session, *m);
                          },
                          [&](wire::Propose* m) { gathering_.on_propose(step, from, *m); },
                          [&](wire::Forgotten* m) {
                              retention_.on_forgotten(step, session, *m);
                              reconciling_.on_forgotten(from, m->job);
                          },
                          [&](wire::Holds* m) { reconciling_.on_holds(step, from, *m); },
                          [&](wire::Described* m) {
                              reconciling_.on_described(step, from, std::move(*m));
                          },
                          [&](wire::RowTaken* m) { moves_.on_taken(step, from, std::move(*m)); }},
               word);
}

void Core::ask(Step& step, const PeerId& from, Request request) {
    std::visit(
        Overloaded{[&](wire::Seal* m) { submissions_.on_seal(step, from, *m); },
                   [&](wire::Query* m) { reports_.on_query(step, from, *m); },
                   [&](wire::Find* m) { directory_.on_find(step, from, *m); },
                   [&](wire::Cancel* m) { requests_.on_cancel(step, from, *m); },
                   [&](wire::CancelFragments* m) { requests_.on_cancel_fragments(step, from, *m); },
                   [&](wire::Watch* m) { requests_.on_watch(step, from, *m); },
                   [&](wire::Adjust* m) { requests_.on_adjust(step, from, *m); },
                   [&](wire::Retry* m) { requests_.on_retry(step, from, *m); },
                   [&](wire::Forget* m) { requests_.on_forget(step, from, *m); },
                   [&](wire::Drain* m) { moves_.on_drain(step, from, *m); }},
        request);
}

// --- sessions

void Core::join(Step& step, const PeerId& peer, const Entrance::Joined& joined) {
    Session& session = sessions_.at(peer);
    switch (session.role) {
        case wire::Role::worker:
            dispatcher_.join(step, peer, session);
            returns_.take_over(step, joined.earlier, peer);
            absences_.end(step, joined.earlier);
            errors_.flush(step, absences_.on_joined(step, session));
            clients_.notify(step, session.membership->pools, 1);
            break;
        case wire::Role::gatherer:
            gathering_.adopt(step, peer);
            reconciling_.begin(step, peer);
            relays_.begin(step, session);
            retention_.hurry(step.now);
            break;
        case wire::Role::client: clients_.adopt_client(step, peer); break;
    }
    Session* earlier = sessions_.find(joined.earlier);
    if (!earlier) return;
    dispatcher_.leave(*earlier, joined.earlier);
    relays_.forget_worker(joined.earlier);
    // It may have gathered under another name: those jobs are not the new one's.
    if (earlier->role == wire::Role::gatherer) {
        gathering_.lose(step, joined.earlier);
        moves_.lose(step, joined.earlier);
        reconciling_.lose(joined.earlier);
        relays_.lose(*earlier);
    }
    sessions_.take_out(joined.earlier);
}

void Core::lose(Step& step, const PeerId& peer, const char* why, bool in_good_order) {
    Session* known = sessions_.find(peer);
    if (!known || *known->absence) return;
    const std::vector<Pool*> pools = known->membership->pools;
    dispatcher_.leave(*known, peer);
    const Session session = sessions_.take_out(PeerId(peer));
    step.note({.level = in_good_order ? Level::info : Level::warn,
               .what = "peer gone",
               .peer = session.name,
               .detail = why});
    switch (session.role) {
        case wire::Role::worker:
            errors_.flush(step, in_good_order ? returns_.leave(step, peer, session)
                                              : absences_.begin(step, peer, session));
            relays_.forget_worker(peer);
            clients_.notify(step, pools, 0);
            break;
        case wire::Role::gatherer:
            gathering_.lose(step, peer);
            moves_.lose(step, peer);
            reconciling_.lose(peer);
            relays_.lose(session);
            break;
        case wire::Role::client: clients_.lose_client(step, peer); break;
    }
}

void Core::on(Step& step, Unroutable& event) {
    lose(step, event.peer,
         event.unread ? "it does not read what it is sent" : "its connection is closed");
}

void Core::on(Step& step, Denied& event) {
    const Sender& sender = event.sender;
    if (is_ignored(event.from, sender)) return;
    conduct_.deny_aloud(step, event.from, sender, event.what,
                        user_text(sender.user) + " may not send " + event.what +
                            "; the roles of its key: " + to_string(sender.roles) +
                            "; ask the broker's administrator for another");
}

void Core::on(Step& step, Garbled& event) {
    if (is_ignored(event.from, event.sender)) return;
    conduct_.strike(step, event.from, event.sender, "dropped bytes that are no message",
                    std::move(event.why), event.bytes);
}

void Core::on(Step& step, KeysChanged& event) {
    for (const PeerId& peer : entrance_.on_keys_changed(step, std::move(event)))
        lose(step, peer, "its key is no longer let in");
    gathering_.distrust_revoked(step);
    for (const PeerId& gatherer : sessions_.gatherers()) entrance_.tell_keys(step, gatherer);
}

// --- the store

void Core::on(Step& step, StoreTrouble& event) {
    if (event.text.empty()) {
        step.note({.what = "the store works again"});
    } else {
        step.note({.level = Level::error, .what = "nothing new is accepted", .detail = event.text});
        clients_.tell_trouble(step, "the broker accepts nothing at present: " + event.text);
    }
    submissions_.set_trouble(std::move(event.text));
}

void Core::on(Step& step, Fetched& event) {
    Job* job = jobs_.find_running(event.record.job);
    if (!job) return;
    const bool is_error = event.record.kind == static_cast<std::uint8_t>(rows::Kind::error);
    switch (is_error ? errors_.put_back(step, *job, event) : payloads_.put_back(*job, event)) {
        case Payloads::Arrival::not_awaited: return;
        case Payloads::Arrival::sound: return dispatcher_.ready(step.now, *job);
        case Payloads::Arrival::damaged:
            const std::string what = is_error ? "an error" : "a block";
            step.note({.level = Level::error,
                       .what = "what the store had of a job can't be read back",
                       .job = job->id,
                       .detail = what});
            endings_.end(step, *job,
                         {.reason = "the broker's state is damaged: " + what +
                                    " of the job can't be read back",
                          .lost = true});
    }
}

// --- time

void Core::on(Step& step, Tick&) {
    for (const PeerId& peer : sessions_.beat(step)) lose(step, peer, "it is silent");
    if (step.now < next_sweep()) return;
    swept_ = step.now;
    sweep(step);
}

Time Core::next_sweep() const {
    bool idle = jobs_.running().empty() && !directory_.waits();
    return swept_ + (idle ? limits::idle_sweep_interval : limits::sweep_interval);
}

void Core::sweep(Step& step) {
    std::vector<std::pair<JobId, Ending>> over;
    errors_.flush(step, absences_.sweep(step));
    for (const JobId& id : jobs_.running()) {
        Job& job = jobs_.at(id);
        job.books.requeue_limbo(step.now);
        dispatcher_.ready(step.now, job);
        gathering_.assign_again(step, job);
        clients_.offer_room(step, job);
        errors_.flush(step, job);
        gathering_.tell_of_absence(step, job);
        Ending end{.outcome = wire::Outcome::running};
        if (Clients::is_unleased(job, step.now))
            end = {.outcome = wire::Outcome::cancelled, .reason = "its client is gone"};
        else if (Endings::is_overdue(job, step.now))
            end = {.outcome = wire::Outcome::expired,
                   .reason = "its deadline has passed, and its gatherer " +
                             job.assignment->known.name + " does not answer"};
        else if (std::string why = gathering_.why_orphaned(job, step.lived); !why.empty())
            end = {.reason = std::move(why), .lost = true};
        if (end.outcome != wire::Outcome::running) over.emplace_back(id, std::move(end));
    }
    dispatcher_.wake(step);
    relays_.sweep(step);
    reconciling_.sweep(step);
    moves_.sweep(step);
    dispatcher_.inner().touch_all();
    for (auto& [id, ending] : over) endings_.end(step, jobs_.at(id), std::move(ending));
    retention_.forget_ended(step);
    directory_.answer(step);
    retention_.remind(step);
}

void Core::check_invariants() const {
    jobs_.check_invariants();
    users_.check_invariants(jobs_);
    sessions_.check_invariants();
    payloads_.check_invariants();
    dispatcher_.check_invariants();
    retention_.check_invariants();
    relays_.check_invariants();
    reconciling_.check_invariants();
    moves_.check_invariants();
    for (const JobId& id : jobs_.running())
        if (const PeerId& gatherer = jobs_.all().at(id).assignment->gatherer;
            !gatherer.bytes.empty())
            FANFOLD_CHECK(sessions_.gatherers().contains(gatherer));
}

}  // namespace fanfold::broker
