#include "scatterer/core/client_job.hpp"

#include <algorithm>
#include <utility>

#include "scatterer/core/ending.hpp"
#include "scatterer/core/session.hpp"

namespace fanfold::scatterer {

void ClientJob::tell(Step& step, Action action) {
    if (!closed_) step.act(std::move(action));
}

// --- calls

void ClientJob::open(Step& step, OpenJob opening, const wire::GathererRef* guess) {
    FANFOLD_CHECK(!own_);  // ids are random
    own_ = true;
    step.act(Note{
        .level = Level::info, .what = "job opened", .job = id_, .detail = opening.spec.function});
    if (guess) {
        opening.spec.preferred_gatherer = guess->name;
        guess_ = *guess;
    }
    if (opening.collect) collection_.emplace(id_, *opening.collect);
    bool continues = opening.continues.has_value();
    if (continues) watch_at_ = step.now;  // where is it gathered?
    submission_.emplace(std::move(opening), step.session.job_credit());
    if (!step.session.accepts_calls()) refuse(step, step.session.failure());
    else if (continues) repeat_words(step);
}

void ClientJob::on(Step& step, AppendBlock& event) {
    if (!submission_) return;  // it has ended meanwhile, and its user will read so
    if (submission_->append(std::move(event.block), event.total))
        tell(step, JobRoom{id_, submission_->room()});
    submit(step);
}

void ClientJob::on(Step& step, const SealJob& event) {
    if (!submission_) return;
    submission_->seal(step, event);
    submit(step);
}

void ClientJob::on(Step& step, const CollectJob& event) {
    if (concluded_ || collection_) return;
    collection_.emplace(id_, event.how);
    if (located_) return collection_->aim(step, located_->assignment, located_->gatherer);
    if (!ended_) return;
    if (ended_->values == 0) return conclude(step, end_of(*ended_, &*collection_));
    ended_.reset();  // there are results: where? The answer says the end again
    watch_at_ = step.now;
    repeat_words(step);
}

void ClientJob::on(Step& step, const Consumed& event) {
    if (collection_) collection_->consumed(step, event);
}

void ClientJob::on(Step& step, const CancelJob& event) {
    if (concluded_ || ended_ || cancel_) return;
    if (submission_ && !submission_->begun()) {  // nobody has heard of it
        wire::Concluded end{.job = id_, .outcome = wire::Outcome::cancelled};
        end.reason = event.reason;
        return conclude(step, std::move(end));
    }
    cancel_ = event.reason;
    cancel_at_ = step.now;
    repeat_words(step);
}

void ClientJob::watch(Step& step) {
    if (concluded_) *this = ClientJob(id_);  // the user asks anew
    if (!step.session.accepts_calls()) return refuse(step, step.session.failure());
    closed_ = false;
    watched_ = true;
    located_.reset();  // so that it is told again
    ended_.reset();
    watch_at_ = step.now;
    repeat_words(step);
}

void ClientJob::close(const Step& step) {
    closed_ = true;
    collection_.reset();
    give_up_at_ = step.now + limits::client_lease;
}

void ClientJob::leave(Step& step) {
    if (concluded_) return;
    bool attached = submission_ && submission_->begun() && submission_->attached();
    if (attached && !ended_ && !cancel_) cancel_ = "its client has ended";
    if (cancel_ && !ended_) step.send(wire::Cancel{.job = id_, .reason = *cancel_});
}

// --- the broker

void ClientJob::start_session(const Step& step) {
    if (concluded_) return;
    if (submission_) submission_->start_over(step);
    // Whatever was said of the job in between went to a connection that is no more.
    if (!submission_ || submission_->known()) watch_at_ = step.now;
    cancel_at_ = step.now;
}

void ClientJob::on_accepted(Step& step, const wire::Accepted& accepted) {
    if (!submission_) return;
    bool more_room = submission_->on_accepted(step, accepted);
    if (more_room) tell(step, JobRoom{id_, submission_->room()});
    repeat(step);
}

void ClientJob::on_marked(Step& step, const wire::Marked& marked) {
    if (!submission_) return;
    if (!submission_->on_marked(step, marked) && !broken_) {  // it ends for everybody
        broken_ =
            "the broker has lost fragments that it had accepted, as its state was put back "
            "to an older one; submit the job again";
        cancel_ = broken_;
        cancel_at_ = step.now;
    }
    repeat(step);
}

void ClientJob::on(Step& step, const wire::Sealed&) {
    if (submission_ && submission_->on_sealed()) tell(step, JobSealed{id_});
}

std::optional<GathererKey> ClientJob::on_located(Step& step, const wire::Located& located) {
    bool old = located_ && located.assignment < located_->assignment;
    if (concluded_ || (old && located.job == id_)) return std::nullopt;
    if (located.job != id_) {  // there is one connection to a gatherer at a time
        wire::GathererRef* known = located_ ? &located_->gatherer : guess_ ? &*guess_ : nullptr;
        if (!known || known->name != located.gatherer.name) return std::nullopt;
        *known = located.gatherer;
        if (collection_ && collection_->aimed())
            collection_->aim(step, located_ ? located_->assignment : 0, *known);
        return std::nullopt;
    }
    if (!located_) tell(step, JobLocated{id_});
    located_ = located;
    if (submission_) submission_->on_known();
    if (!collection_) return std::nullopt;
    auto before = collection_->at();
    collection_->aim(step, located.assignment, located.gatherer);
    return before == key_of(located.gatherer) ? std::nullopt : before;
}

void ClientJob::on(Step& step, const wire::Ended& ended) {
    asks_again_ = false;
    if (ended_ && ended.lost) ended_ = ended;  // its gatherer has less than it had at its end
    if (concluded_ || ended_) return;
    if (broken_) return refuse(step, *broken_);
    if (collection_ && !collection_->aimed() && ended.values > 0) {
        // There are results: where? The answer says the end again.
        watch_at_ = step.now + limits::watch_again;
        return step.send(wire::Watch{.job = id_});
    }
    ended_ = ended;
    ended_at_ = step.now;
    watch_at_ = step.now + limits::watch_again;  // where it was gathered, if that is not known
    submission_.reset();
    tell(step, JobEnded{id_, ended.outcome, ended.reason, ended.total.has_value()});
    // The gatherer has the last word where it can speak. The user of an own job who has not asked
    // yet for its results may still do so.
    bool gatherer_speaks = collection_ && collection_->aimed();
    bool may_still_ask = own_ && !watched_ && !collection_ && !closed_;
    if (!gatherer_speaks && !may_still_ask)
        conclude(step, end_of(ended, collection_ ? &*collection_ : nullptr));
}

const Submission* ClientJob::on_refused(Step& step, const wire::Refused& refused) {
    if (concluded_) return nullptr;
    bool keyed = submission_ && !submission_->key().empty();
    if (refused.code == wire::RefusalCode::conflict && keyed) return &*submission_;
    const bool unknown = refused.code == wire::RefusalCode::unknown_job;
    if (unknown && ended_ && asks_again_) {  // nobody knows it any more
        const wire::GathererRef* gatherer = located_ ? &located_->gatherer : nullptr;
        refuse(step, lost_text(*ended_, gatherer));
    } else if (unknown && collection_ && (located_ || ended_)) {
        // The broker has forgotten how it ended, or where, but its gatherer may know.
        wire::Ended ended{.job = id_, .outcome = wire::Outcome::failed};
        ended.reason = refused.text;
        on(step, ended);
    } else {
        refuse(step, refused.text);
    }
    return nullptr;
}

bool ClientJob::on(Step& step, const wire::Notice& notice) {
    if (concluded_ || closed_) return false;
    if (notice.text == notice_ && step.now < notice_again_) return true;
    notice_ = notice.text;
    notice_again_ = step.now + limits::notice_again;
    tell(step, JobNotice{id_, notice.text});
    return true;
}

bool ClientJob::on_memory_lost(Step& step) {
    if (concluded_) return false;
    wire::Concluded end{.job = id_, .outcome = wire::Outcome::failed};
    end.reason = "the broker lost its memory (it was started again)";
    if (collection_) {
        end.values = collection_->values();
        end.failures = collection_->failures();
    }
    conclude(step, std::move(end));
    return own_;
}

bool ClientJob::on_session_lost(Step& step, const std::string& why) {
    bool may_return = submission_ && submission_->key().empty() &&
                      (submission_->attached() || !submission_->done());
    refuse(step, why);
    return may_return;
}

// --- the gatherer

void ClientJob::turned_away(Step& step, const GathererKey& by, const wire::Refused& refused) {
    if (!collection() || !collection_->is_at(by)) return;
    step.act(Note{.level = Level::warn,
                  .what = "turned away by the gatherer",
                  .job = id_,
                  .peer = by.name,
                  .detail = refused.text});
    bool may_change = refused.code == wire::RefusalCode::unknown_job ||
                      refused.code == wire::RefusalCode::overloaded;
    if (!may_change) return refuse(step, refused.text);
    collection_->on_turned_away(step);
    // It may be gathered elsewhere by now, or its values are lost.
    if (located_) watch_at_ = step.now + limits::watch_again;
    asks_again_ = refused.code == wire::RefusalCode::unknown_job;
}

// --- what goes on by itself

void ClientJob::repeat(Step& step) {
    repeat_words(step);
    submit(step);
}

void ClientJob::submit(Step& step) {
    if (!step.session.connected() || concluded_ || !submission_) return;
    // A cancel is for a job that the broker knows; until it does, the job is still to be made
    // known.
    if (!cancel_ || !submission_->known()) submission_->pump(step, step.session.self());
    bool early = guess_ && collection_ && !collection_->aimed() && submission_->begun();
    if (early) collection_->aim(step, 0, *guess_);
}

void ClientJob::repeat_words(Step& step) {
    if (!step.session.connected() || concluded_) return;
    bool known = !submission_ || submission_->known();
    if (cancel_ && !ended_ && known && step.now >= cancel_at_) {
        cancel_at_ = step.now + limits::cancel_again;
        step.send(wire::Cancel{.job = id_, .reason = *cancel_});
    }
    // It may have been gathered elsewhere than was guessed, and the word of that was lost.
    bool asks = known && (!ended_ || (collection_ && (!located_ || asks_again_)));
    if (asks && watch_at_ == Time::max()) watch_at_ = step.now + limits::watch_on;
    if (asks && step.now >= watch_at_) {
        bool answered = located_ || submission_;
        watch_at_ = step.now + Duration(answered ? limits::watch_on : limits::watch_again);
        step.send(wire::Watch{.job = id_});
    }
    if (!collection_) return;
    collection_->tick(step);
    if (!ended_ || collection_->waits_for_user()) return;
    const wire::GathererRef* gatherer = located_ ? &located_->gatherer
                                        : guess_ ? &*guess_
                                                 : nullptr;
    Duration silent = step.now - std::max(ended_at_, collection_->silent_since());
    switch (judge(*ended_, *collection_, {.gatherer = gatherer, .silent = silent})) {
        case Verdict::wait: return;
        case Verdict::conclude: return conclude(step, end_of(*ended_, &*collection_));
        case Verdict::lost: return refuse(step, lost_text(*ended_, gatherer));
    }
}

// --- the last word

void ClientJob::conclude(Step& step, wire::Concluded end) {
    if (std::exchange(concluded_, true)) return;
    submission_.reset();
    std::string how = wire::to_string(end.outcome);
    step.act(Note{.level = Level::info,
                  .what = "job concluded",
                  .job = id_,
                  .detail = end.reason.empty() ? how : how + ": " + end.reason});
    tell(step, JobConcluded{id_, std::move(end)});
}

void ClientJob::refuse(Step& step, const std::string& text) {
    if (std::exchange(concluded_, true)) return;
    submission_.reset();
    step.act(Note{.level = Level::warn, .what = "job refused", .job = id_, .detail = text});
    tell(step, JobRefused{id_, text});
}

bool ClientJob::forgettable(Time now) const {
    if (!closed_) return false;
    if (concluded_ || ended_) return true;
    if (cancel_) return now >= give_up_at_;
    return !submission_ || submission_->done() || submission_->left_open();
}

void ClientJob::check_invariants() const {
    if (submission_) submission_->check_invariants();
    if (collection_) collection_->check_invariants();
    FANFOLD_CHECK(!concluded_ || !submission_);
}

}  // namespace fanfold::scatterer
