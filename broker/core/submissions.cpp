#include "broker/core/submissions.hpp"

#include <algorithm>
#include <utility>

#include "broker/core/intake_limits.hpp"
#include "broker/dispatch/scheduler.hpp"
#include "broker/state/text_bytes.hpp"

namespace fanfold::broker {

using wire::Outcome;
using wire::RefusalCode;

// --- blocks

namespace {
bool ignore(Step& step, const wire::Block& block) {
    step.note(
        {.level = Level::debug, .what = "ignored a block of an unknown job", .job = block.job});
    return true;
}
}  // namespace

/// Whether nothing comes of the block: its sender may not send it, it makes no sense, it is too
/// large, or it can't be taken now.
bool Submissions::is_refused(Step& step, const wire::Block& block, const std::optional<Slice>& body,
                             const Sender& sender, Job* job) {
    Conduct& conduct = owners_.conduct;
    if (!job && !block.spec) {
        if (block.first > 0) return ignore(step, block);
        return refuse_without_spec(step, block, sender), true;
    }
    if (job && job->user != sender.user)
        return conduct.deny(step, {}, sender, "Block of a job of " + user_text(job->user),
                            block.job),
               true;
    if (block.spec && !may_own(block.spec->owner, sender))
        return conduct.deny(step, {}, sender, "Block for a client of another user", block.job),
               true;
    if (job && job->client->token != block.token)
        return conduct.pass_over(step, {}, "Block with another token than the job's", block.job),
               true;
    const bool ended = job && !job->running();
    const PeerId owner = job ? job->client->peer : block.spec->owner;
    auto refuse = [&](RefusalCode code, const std::string& text, const std::string& reason) {
        step.refuse(owner, code, text, block.job);
        if (job && !ended)
            owners_.endings.end(step, *job, {.outcome = Outcome::failed, .reason = reason});
        return true;
    };
    if (auto sound = body ? check_block(block, *body) : Result<void>{}; !sound) {
        conduct.strike(step, {}, sender, nullptr, {});
        return refuse(RefusalCode::malformed, sound.error().text,
                      "its client sent a malformed block: " + sound.error().text);
    }
    if (ended) return false;
    if (std::string why = body ? owners_.users.why_too_large(sender.user, block, *body) : "";
        !why.empty())
        return refuse(RefusalCode::too_large, why, why);
    return is_untimely(step, block, owner, job);
}

/// Whether it can't be taken now, or can't open its job any more.
bool Submissions::is_untimely(Step& step, const wire::Block& block, const PeerId& owner,
                              const Job* job) {
    if (!trouble_.empty()) {  // it stays with its sender
        if (!job)
            step.refuse(owner, RefusalCode::overloaded,
                        "the broker accepts nothing at present: " + trouble_, block.job);
        return true;
    }
    if (job) return false;
    if (block.first != 0) return ignore(step, block);
    if (!owners_.retention.has_tombstone(block.job)) return false;
    owners_.conduct.pass_over(step, {}, "Block of a job that is forgotten", block.job);
    return true;
}

/// What is pushed names nobody, and this block names no owner either. All clients with its key are
/// told; the one that sent it knows the job.
void Submissions::refuse_without_spec(Step& step, const wire::Block& block, const Sender& sender) {
    TokenBucket& strays = owners_.users.tenant(sender.user).strays;
    strays.set_rate(limits::answered_strays);
    if (!strays.take(step.now)) return;
    for (const auto& [peer, session] : owners_.sessions.all())
        if (session.role == wire::Role::client && session.sender.user == sender.user &&
            session.sender.public_key == sender.public_key)
            step.refuse(peer, RefusalCode::malformed,
                        "the first block of job " + to_string(block.job) +
                            " has no spec, without which no job is opened; send it with one",
                        block.job);
}

/// Of all payloads of a job with a key, up to the end of the block, if it is the next one; after a
/// start of the broker nobody knows that so far.
std::optional<wire::Digest> Submissions::digest_with(const Job* job, const wire::Block& block,
                                                     const std::optional<Slice>& body) {
    const bool is_known =
        job ? job->running() && job->submission->payloads.has_value() : !block.spec->key.empty();
    if (!body || !is_known || block.first != (job ? job->books.next() : 0)) return std::nullopt;
    wire::Digest digest = job ? *job->submission->payloads : wire::Digest();
    digest.add(body->view());
    return digest;
}

void Submissions::refuse_digest(Step& step, const wire::Block& block, Job* job) {
    const std::string why = "the digest of the block at fragment " + std::to_string(block.first) +
                            " is not that of the payloads up to its end";
    step.refuse(job ? job->client->peer : block.spec->owner, RefusalCode::malformed, why,
                block.job);
    if (job)
        owners_.endings.end(
            step, *job,
            {.outcome = Outcome::failed, .reason = "its client sent a wrong digest: " + why});
}

void Submissions::on_block(Step& step, const wire::Block& block, std::optional<Slice> body,
                           const Sender& sender) {
    Job* job = owners_.jobs.find(block.job);
    if (is_refused(step, block, body, sender, job)) return;
    std::optional<wire::Digest> digest = digest_with(job, block, body);
    if (digest && !block.digest.empty() && block.digest != digest->value())
        return refuse_digest(step, block, job);
    const bool opened = !job;
    if (opened && !(body && owners_.payloads.has_room(nullptr, body->size())))
        return step.send(block.spec->owner,
                         wire::Notice{.job = block.job,
                                      .text = "the broker's --memory is full of payloads; the job "
                                              "waits until other jobs go on"});
    if (opened) job = open(step, block, sender);
    if (!job) return;
    owners_.clients.hear(*job, job->client->peer);
    Submission& submission = *job->submission.write();
    if (!job->running())  // its client may have a new connection since
        return step.send(block.spec ? block.spec->owner : job->client->peer, job->life->end);
    bool taken = fits(step, *job, block, body);
    if (taken) {
        accept(step, *job, block, *std::move(body), std::move(digest));
    } else {
        if (block.count > 0 && block.first + block.count <= job->books.next())
            owners_.conduct.pass_over(step, {}, "Block again", block.job);
        if (block.total && !submission.total) submission.announced = block.total;
    }
    if (opened) submission.in_one_block = submission.announced == job->books.next();
    owners_.clients.tell_credit(step, *job, true);
    seal_when_whole(step, *job);
    if (opened && !submission.total) owners_.gathering.assign(step, *job);
    if (opened) owners_.clients.notify(step, *job);
}

bool Submissions::fits(Step& step, Job& job, const wire::Block& block,
                       const std::optional<Slice>& body) {
    if (job.assignment->taken_over || block.first != job.books.next() ||
        job.payload->accepted_bytes > job.client->told_limit || job.total() || !body ||
        !owners_.payloads.has_room(&job, body->size()))
        return false;
    return owners_.clients.has_room(step, job);
}

void Submissions::accept(Step& step, Job& job, const wire::Block& block, Slice body,
                         std::optional<wire::Digest> digest) {
    Submission& submission = *job.submission.write();
    step.note({.level = Level::debug,
               .what = "block accepted",
               .job = job.id,
               .range = {block.first, block.first + block.count}});
    owners_.persistence.block(step, block, body);
    submission.payloads = std::move(digest);
    job.books.accept(block.count);
    owners_.payloads.add(job, block, std::move(body));
    submission.digest = block.digest;
    owners_.persistence.accepted(step, job);
    if (block.total) submission.announced = block.total;
    owners_.dispatcher.ready(step.now, job);
    owners_.dispatcher.dispatch(step);  // before all that only informs
}

/// Whether the connection, as far as it is known, is of the same user.
bool Submissions::may_own(const PeerId& peer, const Sender& sender) const {
    const Session* session = owners_.sessions.find(peer);
    return !session || (session->role == wire::Role::client && session->sender.user == sender.user);
}

// --- a new job

std::string Submissions::why_no_function(const wire::JobSpec& spec) const {
    if (!owners_.options.fixed_fleet) return {};
    const Demand demand(spec);
    std::string all;
    for (const auto& [peer, session] : owners_.sessions.all()) {
        if (demand.met_by(session)) return {};
        for (const auto& function : session.offer.functions)
            all += (all.empty() ? "" : ", ") + function;
    }
    return demand.unmet() + "; there is: " + all;
}

std::optional<wire::Refused> Submissions::why_not_open(const Step& step, const wire::Block& block,
                                                       const Sender& sender) {
    const wire::JobSpec& spec = *block.spec;
    auto refused = [&](RefusalCode code, std::string text) {
        return wire::Refused{.code = code, .text = std::move(text), .job = block.job};
    };
    if (std::string why = why_no_function(spec); !why.empty())
        return refused(RefusalCode::no_function, why);
    if (std::string why = why_too_much(spec); !why.empty())
        return refused(RefusalCode::too_large, why);
    if (std::string why = why_senseless(spec); !why.empty())
        return refused(RefusalCode::malformed, why);
    if (std::string why = owners_.users.why_too_urgent(sender.user, spec.share.priority);
        !why.empty())
        return refused(RefusalCode::not_allowed, why);
    if (const Job* known =
            spec.key.empty() ? nullptr : owners_.jobs.find_key(sender.user, spec.key))
        return refused(RefusalCode::conflict, "the key '" + spec.key + "' is that of job " +
                                                  to_string(known->id) +
                                                  "; it was opened a moment before");
    if (owners_.sessions.gatherers().empty())
        return refused(
            RefusalCode::no_gatherer,
            "no gatherer is connected to the broker; start fanfold-gatherer with --broker");
    std::string why = owners_.users.why_no_job(sender.user);
    if (why.empty()) why = owners_.users.why_no_submission(sender.user, step.now);
    if (why.empty()) why = owners_.users.why_no_description(sender.user, text_bytes(spec));
    if (!why.empty()) return refused(RefusalCode::overloaded, why);
    return std::nullopt;
}

Job* Submissions::open(Step& step, const wire::Block& block, const Sender& sender) {
    const wire::JobSpec& spec = *block.spec;
    // A gatherer may have a job with this key: the client sends its block again.
    if (!spec.key.empty() && owners_.sessions.await_jobs(step.lived)) return nullptr;
    if (auto refused = why_not_open(step, block, sender)) {
        // A gatherer may be on its way: the client sends its block again.
        bool too_early =
            refused->code == RefusalCode::no_gatherer && owners_.gathering.may_come(step.lived);
        if (!too_early) step.refuse(spec.owner, refused->code, std::move(refused->text), block.job);
        return nullptr;
    }
    Tenant& tenant = owners_.users.tenant(sender.user);
    Job& job = owners_.jobs.add(block.job, spec, sender.user, tenant);
    if (!spec.key.empty()) job.submission.write()->payloads.emplace();
    const bool has_its_key = owners_.jobs.add_key(job);
    FANFOLD_CHECK(has_its_key);
    owners_.endings.open(job, step.now);
    owners_.gathering.open(job);
    owners_.payloads.weigh(job);
    owners_.dispatcher.open(job);
    owners_.clients.open(step, job, block.token);
    owners_.dispatcher.start(step.now, job);
    owners_.persistence.opened(step, job);
    step.note({.what = "job opened",
               .job = job.id,
               .peer = job.assignment->known.name,
               .detail = spec.function + ", " + owners_.sessions.who(spec.owner)});
    if (!spec.title.empty())  // which may be a command line, with what is nobody's business
        step.note(
            {.level = Level::debug, .what = "job's title", .job = job.id, .detail = spec.title});
    return &job;
}

// --- seals

void Submissions::on_seal(Step& step, const PeerId& from, const wire::Seal& seal) {
    Job* job = owners_.jobs.find(seal.job);
    // The first block travels on another socket and may still be on its way: the client says it
    // again.
    if (!job) return;
    const Sender& sender = owners_.sessions.at(from).sender;
    if (job->user != sender.user)
        return owners_.conduct.deny(step, from, sender, "Seal of a job of " + user_text(job->user),
                                    seal.job);
    if (job->client->token != seal.token) {
        if (!job->spec->key.empty()) return refuse_earlier(step, from, *job);
        return owners_.conduct.pass_over(step, from, "Seal with another token than the job's",
                                         seal.job);
    }
    owners_.clients.claim(*job, from);
    const auto total = job->total();
    if (!job->running() && !total) return step.send(from, job->life->end);
    if (total ? *total != seal.total : seal.total < job->books.next())
        return step.refuse(from, RefusalCode::conflict,
                           "the job has " + std::to_string(job->books.next()) +
                               " fragments; it can't be sealed at " + std::to_string(seal.total),
                           job->id);
    if (total) return step.send(from, wire::Sealed{.job = job->id, .total = *total});
    if (std::string why = owners_.users.why_too_many(job->user, seal.total); !why.empty()) {
        step.refuse(from, RefusalCode::too_large, why, job->id);
        return owners_.endings.end(step, *job, {.outcome = Outcome::failed, .reason = why});
    }
    job->submission.write()->announced = seal.total;
    seal_when_whole(step, *job);
    // Fragments are lacking: whoever has none to send has sealed at more than there are.
    if (job->running() && !job->total()) owners_.clients.tell_credit(step, *job, true);
}

void Submissions::on_mark(Step& step, const wire::Mark& mark, const Sender& sender) {
    const Session* client = owners_.sessions.find(mark.owner);
    if (!client || !may_own(mark.owner, sender))
        return owners_.conduct.pass_over(step, {}, "Mark of nobody who is here", mark.job);
    wire::Marked marked{.job = mark.job, .number = mark.number};
    Job* job = owners_.jobs.find(mark.job);
    if (!job || !job->running() || job->client->peer != mark.owner) {
        const bool taken = job && job->running() && !job->total() && !job->spec->key.empty() &&
                           !job->client->peer.bytes.empty();
        if (taken) refuse_earlier(step, mark.owner, *job);
        return step.send(mark.owner, std::move(marked));
    }
    owners_.clients.hear(*job, mark.owner);
    owners_.clients.tell_credit(step, *job, true);
    owners_.outbox.tell_owner(step, *job, std::move(marked));
}

/// Another client has taken the job over while this one was gone.
void Submissions::refuse_earlier(Step& step, const PeerId& peer, const Job& job) {
    step.refuse(peer, RefusalCode::conflict,
                "another client has taken over the submission of job " + to_string(job.id) +
                    " with the key '" + job.spec->key + "'; the same command again finds it",
                job.id);
}

void Submissions::seal_when_whole(Step& step, Job& job) {
    Submission& submission = *job.submission.write();
    if (!job.running() || submission.total || !submission.announced) return;
    if (*submission.announced < job.books.next()) {
        step.refuse(job.client->peer, RefusalCode::conflict,
                    "a block lies beyond the total of " + std::to_string(*submission.announced),
                    job.id);
        return owners_.endings.end(
            step, job,
            {.outcome = Outcome::failed, .reason = "its client sealed it before its end"});
    }
    if (*submission.announced > job.books.next()) return;
    submission.total = submission.announced;
    submission.payloads.reset();
    owners_.users.seal(job);
    owners_.clients.seal(job);
    owners_.persistence.sealed(step, job);
    step.note({.level = submission.in_one_block ? Level::debug : Level::info,
               .what = "job sealed",
               .job = job.id,
               .range = {0, *submission.total}});
    owners_.gathering.assign(step, job);
    owners_.outbox.tell_owner(step, job, wire::Sealed{.job = job.id, .total = *submission.total});
}

}  // namespace fanfold::broker
