// The core's jobs: opened, fed, collected, cancelled, watched, ended.
#include <algorithm>
#include <utility>

#include "scatterer/core/core.hpp"

namespace fanfold::scatterer {

namespace {
using namespace std::chrono_literals;
constexpr Duration cancel_again = 1s;
constexpr Duration lost_memory =
    1h;  // in which the broker may come back with a job that was given up here
constexpr Duration watch_again = 2s;  // until it is answered
constexpr Duration watch_on = 10s;  // afterwards, and of an own job, should the end have been lost
constexpr Duration results_patience =
    3 * limits::peer_timeout;  // the same, when it has results that we have not: it may be paused
constexpr Duration conclusion_patience =
    5s;  // with a gatherer that does not conclude a job that the broker has ended
}  // namespace

Core::Entry* Core::find(const JobId& job) {
    auto it = jobs_.find(job);
    return it == jobs_.end() ? nullptr : &it->second;
}

const wire::GathererRef* Core::next_gatherer() {
    if (gatherers_.empty()) return nullptr;
    return &gatherers_[turn_++ % gatherers_.size()];
}

// --- calls
// ----------------------------------------------------------------------------------------------------

void Core::on(OpenJob& event) {
    JobId job = event.job;
    if (event.continues) jobs_.erase(job);  // what an earlier Job object of it left behind
    Entry& entry = jobs_[job];
    FANFOLD_CHECK(!entry.own);  // ids are random
    entry.own = true;
    actions_->push_back(Note{
        .level = Level::info, .what = "job opened", .job = job, .detail = event.spec.function});
    if (event.collect) {
        if (const auto* gatherer = event.continues ? nullptr : next_gatherer()) {
            event.spec.preferred_gatherer = gatherer->name;
            entry.guess = *gatherer;
        }
        entry.collection.emplace(job, *event.collect);
    }
    bool continues = event.continues.has_value();
    if (continues) entry.watch_at = now_;  // where is it gathered?
    entry.submission.emplace(std::move(event), welcome_ ? welcome_->job_credit : 0);
    if (!accepts_calls()) refuse(job, entry, failure_);
    else if (continues) tick(job, entry);
}

void Core::on(AppendBlock& event) {
    Entry* entry = find(event.job);
    if (!entry || !entry->submission) return;  // it has ended meanwhile, and its user will read so
    entry->submission->append(std::move(event.block), event.total);
    pump(event.job, *entry);
}

void Core::on(const SealJob& event) {
    Entry* entry = find(event.job);
    if (!entry || !entry->submission) return;
    entry->submission->seal(now_, event);
    pump(event.job, *entry);
}

void Core::on(const CollectJob& event) {
    Entry* entry = find(event.job);
    if (!entry || entry->concluded || entry->collection) return;
    entry->collection.emplace(event.job, event.how);
    if (entry->located)
        entry->collection->aim(now_, entry->located->assignment, entry->located->gatherer,
                               *actions_);
    else if (entry->ended && entry->ended->values == 0) conclude_as_ended(event.job, *entry);
    else if (entry->ended) {  // there are results: where? The answer says the end again
        entry->ended.reset();
        entry->watch_at = now_;
        tick(event.job, *entry);
    }
}

void Core::on(const Consumed& event) {
    Entry* entry = find(event.job);
    if (entry && entry->collection) entry->collection->consumed(now_, event, *actions_);
}

void Core::on(const CancelJob& event) {
    Entry* entry = find(event.job);
    if (!entry || entry->concluded || entry->ended || entry->cancel) return;
    if (entry->submission && !entry->submission->begun()) {  // nobody has heard of it
        wire::Concluded end{.job = event.job, .outcome = wire::Outcome::cancelled};
        end.reason = event.reason;
        return conclude(event.job, *entry, std::move(end));
    }
    entry->cancel = event.reason;
    entry->cancel_at = now_;
    tick(event.job, *entry);
}

void Core::on(const WatchJob& event) {
    if (Entry* before = find(event.job); before && before->concluded) jobs_.erase(event.job);
    Entry& entry = jobs_[event.job];
    if (!accepts_calls()) return refuse(event.job, entry, failure_);
    entry.closed = false;
    entry.watched = true;
    entry.located.reset();  // so that it is told again
    entry.ended.reset();
    entry.watch_at = now_;
    tick(event.job, entry);
}

void Core::on(const CloseJob& event) {
    Entry* entry = find(event.job);
    if (!entry) return;
    entry->closed = true;
    entry->collection.reset();
    entry->give_up_at = now_ + limits::client_lease;
    if (forgettable(*entry)) jobs_.erase(event.job);
}

// --- the broker's messages
// --------------------------------------------------------------------------------------

void Core::on_broker(const wire::Accepted& accepted) {
    // It was given up here, and nobody would ever seal or collect it there.
    if (lost_.contains(accepted.job))
        return send(wire::Cancel{.job = accepted.job, .reason = "its client has given it up"});
    Entry* entry = find(accepted.job);
    if (!entry || !entry->submission) return;
    bool more_room = entry->submission->on_accepted(now_, accepted);
    if (more_room && !entry->closed)
        actions_->push_back(JobRoom{accepted.job, entry->submission->room()});
    tick(accepted.job, *entry);
    pump(accepted.job, *entry);
}

void Core::on_broker(const wire::Sealed& sealed) {
    Entry* entry = find(sealed.job);
    if (!entry || !entry->submission) return;
    if (entry->submission->on_sealed() && !entry->closed)
        actions_->push_back(JobSealed{sealed.job});
}

void Core::on_broker(const wire::Located& located) {
    auto known = std::find_if(gatherers_.begin(), gatherers_.end(),
                              [&](const auto& one) { return one.name == located.gatherer.name; });
    if (known == gatherers_.end()) gatherers_.push_back(located.gatherer);
    else *known = located.gatherer;

    Entry* entry = find(located.job);
    if (!entry || entry->concluded ||
        (entry->located && located.assignment < entry->located->assignment))
        return;
    if (!entry->located && !entry->closed) actions_->push_back(JobLocated{located.job});
    entry->located = located;
    if (entry->submission) entry->submission->on_known();
    if (!entry->collection) return;
    if (entry->collection->aimed() && !entry->collection->is_at(key_of(located.gatherer)))
        std::erase_if(gatherers_, [&](const auto& one) {
            return entry->collection->is_at(key_of(one));
        });  // it is not there any more
    entry->collection->aim(now_, located.assignment, located.gatherer, *actions_);
}

void Core::on_broker(const wire::Notice& notice) {
    Entry* entry = find(notice.job);
    if (entry && !entry->concluded && !entry->closed)
        actions_->push_back(JobNotice{notice.job, notice.text});
}

void Core::on_broker(const wire::Ended& ended) {
    Entry* entry = find(ended.job);
    if (!entry || entry->concluded || entry->ended) return;
    if (entry->collection && !entry->collection->aimed() &&
        ended.values > 0) {  // there are results: where? The answer says the end again
        entry->watch_at = now_ + watch_again;
        return send(wire::Watch{.job = ended.job});
    }
    entry->ended = ended;
    entry->ended_at = now_;
    entry->submission.reset();
    if (!entry->closed)
        actions_->push_back(
            JobEnded{ended.job, ended.outcome, ended.reason, ended.total.has_value()});
    // The gatherer has the last word where it can speak; who has not asked yet for the results of
    // an own job may still do so.
    bool gatherer_speaks = entry->collection && entry->collection->aimed();
    bool may_still_ask = entry->own && !entry->watched && !entry->collection && !entry->closed;
    if (!gatherer_speaks && !may_still_ask) conclude_as_ended(ended.job, *entry);
}

void Core::on_refused_job(const JobId& job, const wire::Refused& refused) {
    if (on_refused_question(job, refused)) return;
    Entry* entry = find(job);
    if (!entry || entry->concluded) return;
    if (refused.code == wire::RefusalCode::conflict && entry->submission &&
        !entry->submission->key().empty())
        return ask_who_has_the_key(job, *entry->submission, refused.text);
    if (refused.code == wire::RefusalCode::unknown_job && entry->collection && entry->located) {
        // The broker has forgotten how it ended, but its gatherer may know.
        wire::Ended ended{.job = job, .outcome = wire::Outcome::failed};
        ended.reason = refused.text;
        return on_broker(ended);
    }
    refuse(job, *entry, refused.text);
}

// --- the gatherer's messages
// ------------------------------------------------------------------------------------

void Core::on(FromGatherer& event) {
    auto handle = [&](const auto& message) {
        using M = std::decay_t<decltype(message)>;
        if constexpr (std::is_same_v<M, wire::Values> || std::is_same_v<M, wire::Failures> ||
                      std::is_same_v<M, wire::Concluded>) {
            Entry* entry = find(message.job);
            if (!entry || entry->concluded || !entry->collection ||
                !entry->collection->is_at(event.from))
                return;
            Collection& collection = *entry->collection;
            if constexpr (std::is_same_v<M, wire::Values>)
                collection.on_values(now_, message, event.body, *actions_);
            else if constexpr (std::is_same_v<M, wire::Failures>)
                collection.on_failures(now_, message, event.body, *actions_);
            else if (collection.on_concluded(now_, message, *actions_))
                conclude(message.job, *entry, message);
        } else if constexpr (std::is_same_v<M, wire::Refused>) {
            Entry* entry = message.job ? find(*message.job) : nullptr;
            if (entry && !entry->concluded && entry->collection &&
                entry->collection->is_at(event.from))
                on_gatherer(*entry, event, message);
        } else {
            actions_->push_back(Note{.level = Level::warn,
                                     .what = "a message that gatherers don't send",
                                     .peer = event.from.name,
                                     .detail = wire::name_of(message)});
        }
    };
    std::visit(handle, event.message);
}

void Core::on_gatherer(Entry& entry, const FromGatherer& event, const wire::Refused& refused) {
    actions_->push_back(Note{.level = Level::warn,
                             .what = "turned away by the gatherer",
                             .job = refused.job,
                             .peer = event.from.name,
                             .detail = refused.text});
    bool may_change = refused.code == wire::RefusalCode::unknown_job ||
                      refused.code == wire::RefusalCode::overloaded;
    if (!may_change) return refuse(*refused.job, entry, refused.text);
    entry.collection->on_turned_away(now_);
    if (entry.located) entry.watch_at = now_ + watch_again;  // it may be gathered elsewhere by now
}

// --- what goes on by itself
// ---------------------------------------------------------------------------------------

/// Sends what there is to send.
void Core::pump(const JobId&, Entry& entry) {
    if (!connected() || entry.concluded || !entry.submission) return;
    // A cancel is for a job that the broker knows; until it does, the job is still to be made
    // known.
    if (!entry.cancel || !entry.submission->known()) entry.submission->pump(now_, self_, *actions_);
    bool early =
        entry.guess && entry.collection && !entry.collection->aimed() && entry.submission->begun();
    if (early) entry.collection->aim(now_, 0, *entry.guess, *actions_);
}

/// Repeats what was not answered.
void Core::tick(const JobId& job, Entry& entry) {
    if (!connected() || entry.concluded) return;
    bool known = !entry.submission || entry.submission->known();
    if (entry.cancel && !entry.ended && known && now_ >= entry.cancel_at) {
        entry.cancel_at = now_ + cancel_again;
        send(wire::Cancel{.job = job, .reason = *entry.cancel});
    }
    if (!entry.ended && known && entry.watch_at == Time::max()) entry.watch_at = now_ + watch_on;
    if (!entry.ended && known && now_ >= entry.watch_at) {
        entry.watch_at = now_ + (entry.located || entry.submission ? watch_on : watch_again);
        send(wire::Watch{.job = job});
    }
    if (!entry.collection) return;
    entry.collection->tick(now_, *actions_);
    if (entry.ended && !entry.collection->waits_for_user()) conclude_if_mute(job, entry);
}

/// A gatherer that says nothing about a job that the broker has ended keeps nobody waiting for
/// ever; but what it has and did not send is never passed off as delivered.
void Core::conclude_if_mute(const JobId& job, Entry& entry) {
    const wire::Ended& ended = *entry.ended;
    const Collection& collection = *entry.collection;
    bool lost = ended.outcome == wire::Outcome::failed;
    bool lacks_values = collection.values() < ended.values;
    bool lacks_failures = ended.outcome == wire::Outcome::partial &&
                          collection.values() + collection.failures() < ended.total.value_or(0);
    bool lacks = !lost && (lacks_values || lacks_failures);
    Time since = std::max(entry.ended_at, collection.silent_since());
    const wire::GathererRef* gatherer = entry.located ? &entry.located->gatherer
                                        : entry.guess ? &*entry.guess
                                                      : nullptr;
    bool keeps = gatherer &&
                 gatherer->epoch.number >
                     0;  // what it has is in a store: it is worth to wait until it is started again
    Duration patience = !lacks  ? Duration(conclusion_patience)
                        : keeps ? Duration(limits::gatherer_patience)
                                : Duration(results_patience);
    if (now_ - since < patience) return;
    bool all_promised =
        ended.outcome == wire::Outcome::complete || ended.outcome == wire::Outcome::partial;
    if (!lacks || !all_promised) return conclude_as_ended(job, entry);
    refuse(job, entry,
           "job " + to_string(job) + " has ended as " + wire::to_string(ended.outcome) +
               ", but its gatherer " + (gatherer ? gatherer->name : std::string()) +
               " does not send its results; they are lost if it was started again, else collect "
               "them later by the job's id");
}

namespace {
/// The broker's word on what there is, made one on what was delivered.
void count_delivered(wire::Concluded& end, const RangeSet& delivered, std::uint64_t failures) {
    end.values = delivered.size() - failures;
    RangeSet unexplained;
    unexplained.add({0, end.total.value_or(0)});
    for (Range range : delivered.ranges()) unexplained.remove(range);
    for (wire::Missing& item : end.missing) {
        RangeSet left(item.ranges);
        for (Range range : delivered.ranges()) left.remove(range);
        item.ranges = left.ranges();
        for (Range range : item.ranges) unexplained.remove(range);
    }
    if (!unexplained.empty()) end.missing.push_back({"not delivered", unexplained.ranges()});
    std::erase_if(end.missing, [](const wire::Missing& item) { return item.ranges.empty(); });
}
}  // namespace

void Core::conclude_as_ended(const JobId& job, Entry& entry) {
    const wire::Ended& ended = *entry.ended;
    wire::Concluded end{.job = job,
                        .outcome = ended.outcome,
                        .reason = ended.reason,
                        .total = ended.total,
                        .values = ended.values,
                        .failures = entry.collection ? entry.collection->failures() : 0,
                        .late = 0,
                        .missing = ended.missing};
    if (entry.collection) {
        count_delivered(end, entry.collection->delivered(), entry.collection->failures());
        for (const auto& [kind, failed] : entry.collection->failed())
            end.missing.push_back({wire::to_string(kind), failed.ranges()});
    }
    conclude(job, entry, std::move(end));
}

void Core::conclude(const JobId& job, Entry& entry, wire::Concluded end) {
    if (std::exchange(entry.concluded, true)) return;
    entry.submission.reset();
    std::string how = wire::to_string(end.outcome);
    actions_->push_back(Note{.level = Level::info,
                             .what = "job concluded",
                             .job = job,
                             .detail = end.reason.empty() ? how : how + ": " + end.reason});
    if (!entry.closed) actions_->push_back(JobConcluded{job, std::move(end)});
}

void Core::refuse(const JobId& job, Entry& entry, const std::string& text) {
    if (std::exchange(entry.concluded, true)) return;
    entry.submission.reset();
    actions_->push_back(
        Note{.level = Level::warn, .what = "job refused", .job = job, .detail = text});
    if (!entry.closed) actions_->push_back(JobRefused{job, text});
}

bool Core::forgettable(const Entry& entry) const {
    if (!entry.closed) return false;
    if (entry.concluded || entry.ended) return true;
    if (entry.cancel) return now_ >= entry.give_up_at;
    return !entry.submission || entry.submission->done() || entry.submission->left_open();
}

void Core::forget_finished() {
    std::erase_if(lost_, [this](const auto& lost) { return now_ - lost.second >= lost_memory; });
    std::erase_if(jobs_, [this](const auto& item) { return forgettable(item.second); });
}

}  // namespace fanfold::scatterer
