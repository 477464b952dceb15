#include "broker/core/retention.hpp"

#include <algorithm>

namespace fanfold::broker {

void Retention::forget_ended(Step& step) {
    shorten(step, attached_, limits::ended_attached);
    shorten(step, kept_, limits::ended_kept);
}

void Retention::shorten(Step& step, Lists& lists, std::size_t most) {
    auto is_old = [&](const JobId& id) {
        return step.now - owners_.jobs.at(id).life->ended_at >= owners_.options.keep;
    };
    std::size_t all = 0;
    for (auto& [user, list] : lists) {
        while (!list.empty() && is_old(list.front())) forget_oldest(step, list);
        all += list.size();
    }
    // Who has many makes nobody else's be forgotten.
    for (; all > most; --all)
        forget_oldest(step, std::ranges::max_element(lists, {}, [](const auto& item) {
                                return item.second.size();
                            })->second);
}

void Retention::forget_oldest(Step& step, List& list) {
    const JobId oldest = list.front();
    list.pop_front();
    bury(step, owners_.jobs.at(oldest));
}

void Retention::forget(Step& step, const Job& job) {
    remove(job);
    bury(step, job);
}

/// The job leaves a tombstone.
void Retention::bury(Step& step, const Job& job) {
    const JobId id = job.id;
    const wire::GathererRef gatherer = job.assignment->known;
    owners_.persistence.erase(step, id);
    owners_.persistence.forgotten(step, id, gatherer);
    tombstones_[id] = {.gatherer = gatherer, .since = step.now};
    owners_.payloads.forget(job);
    step.note({.level = job.spec->attached ? Level::debug : Level::info,
               .what = "job forgotten",
               .job = id});
    owners_.jobs.erase(job);
    ask_to_forget(step, id, gatherer);
}

void Retention::ask_to_forget(Step& step, const JobId& job, const wire::GathererRef& known) {
    for (const PeerId& peer : owners_.sessions.gatherers()) {
        const wire::GathererRef& gatherer = owners_.sessions.at(peer).gatherer;
        if (gatherer.name == known.name) step.send(peer, wire::Forget{job});
    }
}

void Retention::remind(Step& step) {
    if (step.now < next_reminder_) return;
    next_reminder_ = step.now + limits::resend_after;
    for (auto it = tombstones_.begin(); it != tombstones_.end();) {
        const auto& [id, stone] = *it;
        if (step.now - stone.since < owners_.options.keep) {
            ask_to_forget(step, id, stone.gatherer);
            ++it;
        } else {
            owners_.persistence.erase(step, id);
            it = tombstones_.erase(it);
        }
    }
}

void Retention::on_forgotten(Step& step, const Session& gatherer,
                             const wire::Forgotten& forgotten) {
    auto it = tombstones_.find(forgotten.job);
    if (it == tombstones_.end() || it->second.gatherer.name != gatherer.gatherer.name) return;
    owners_.persistence.erase(step, forgotten.job);
    tombstones_.erase(it);
}

void Retention::check_invariants() const {
    std::size_t ended = 0, listed = 0;
    for (const auto& [id, job] : owners_.jobs.all()) {
        FANFOLD_CHECK(!tombstones_.contains(id));
        ended += job.running() ? 0 : 1;
    }
    for (const Lists* lists : {&attached_, &kept_})
        for (const auto& [user, list] : *lists) listed += list.size();
    FANFOLD_CHECK(ended == listed);
}

}  // namespace fanfold::broker
