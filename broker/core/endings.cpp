#include "broker/core/endings.hpp"

#include <utility>

#include "shared/base/text.hpp"

namespace fanfold::broker {

void Endings::end(Step& step, Job& job, Ending ending) {
    const Index values = job.books.settled().safe().size();
    const bool every_value = ending.outcome == wire::Outcome::complete && job.total() == values;
    Life& life = *job.life.write();
    wire::Ended ended{.job = job.id,
                      .assignment = job.assignment->number,
                      .outcome = ending.outcome,
                      .reason = std::move(ending.reason),
                      .total = job.total()};
    ended.values = values;
    if (!every_value) ended.missing = job.books.unfinished();
    ended.lost = ending.lost;
    life.end = std::move(ended);
    life.ended_at = step.now;
    owners_.outbox.forget(job);
    job.books.close();
    owners_.payloads.close(job, !job.spec->attached && !ending.lost);
    owners_.dispatcher.apply(step, job);
    if (!why_no_retry(job).empty()) shorten(job);
    owners_.persistence.ended(step, job, owners_.payloads.take_freed(job));
    tell(step, job, !every_value || !job.spec->attached);
    step.note({.what = "job ended",
               .job = job.id,
               .took = step.now - life.opened,
               .detail = std::string(wire::to_string(life.end.outcome)) +
                         (life.end.reason.empty() ? "" : ": " + life.end.reason)});
    owners_.dispatcher.stop(job);
    owners_.retention.add(job);
    owners_.outbox.hurry(
        step);  // a few jobs are forgotten at a time: hundreds would hold up others
    owners_.payloads.drop_retained();
}

/// Only what is asked for of a job that can't run again; one with a key is compared with others by
/// its title.
void Endings::shorten(Job& job) {
    wire::JobSpec& spec = *job.spec.write();
    spec.environment = {};
    spec.cwd = {};
    spec.cwd_identity = {};
    spec.require = {};
    spec.resources = {};
    if (spec.key.empty())
        spec.title = std::string(cut_between_characters(spec.title, limits::shown_bytes));
    owners_.payloads.weigh(job);
}

/// Whoever has every value knows that it is over, and is told when there is time for it.
void Endings::tell(Step& step, Job& job, bool is_news) {
    auto send = [&](const PeerId& peer, wire::Message message) {
        if (peer.bytes.empty()) return;
        if (is_news) step.send(peer, std::move(message));
        else owners_.outbox.send_later(step, peer, std::move(message));
    };
    std::set<PeerId> watchers = std::exchange(job.life.write()->watchers, {});
    for (const PeerId& peer : {job.assignment->gatherer, job.client->peer}) {
        send(peer, job.life->end);
        watchers.erase(peer);
    }
    for (const PeerId& peer : watchers) step.send(peer, job.life->end);
    for (const PeerId& worker : job.standing->knowing)
        if (owners_.sessions.find(worker)) send(worker, wire::Drop{job.id});
}

void Endings::complete(Step& step, Job& job) {
    wire::Ended& end = job.life.write()->end;
    end.outcome = wire::Outcome::complete;
    end.reason.clear();
    end.missing.clear();
    end.values = *job.total();
    owners_.payloads.clear(job);
    shorten(job);
    owners_.persistence.ended(step, job, {});
}

bool Endings::lose_values(Step& step, Job& job, std::uint64_t left) {
    const std::uint64_t had = job.life->end.values;
    return left < had &&
           lose(step, job, left,
                std::to_string(had - left) + " of its " + std::to_string(had) + " values");
}

bool Endings::lose_results(Step& step, Job& job) {
    const wire::Ended& end = job.life->end;
    const bool promised =
        end.outcome == wire::Outcome::complete || end.outcome == wire::Outcome::partial;
    // It may have had failures alone.
    return (end.values > 0 || (promised && end.total.value_or(0) > 0)) &&
           lose(step, job, 0, "its results");
}

bool Endings::lose(Step& step, Job& job, std::uint64_t left, const std::string& what) {
    wire::Ended& end = job.life.write()->end;
    if (end.lost) return false;
    if (end.outcome == wire::Outcome::complete || end.outcome == wire::Outcome::partial)
        end.outcome = wire::Outcome::failed;
    end.reason += (end.reason.empty() ? "gatherer " : "; gatherer ") + job.assignment->known.name +
                  " has lost " + what + " since";
    end.values = left;
    end.lost = true;
    owners_.payloads.close(job, false);
    owners_.persistence.ended(step, job, owners_.payloads.take_freed(job));
    step.note({.level = Level::debug,
               .what = "an ended job's gatherer has less of it than it had",
               .job = job.id,
               .peer = job.assignment->known.name,
               .detail = what});
    return true;
}

void Endings::tell_again(Step& step, Job& job) {
    wire::Ended& end = job.life.write()->end;
    end.assignment = job.assignment->number;
    step.send(job.assignment->gatherer, end);
}

void Endings::watch(Step& step, Job& job, const PeerId& peer) {
    if (job.running()) job.life.write()->watchers.insert(peer);
    else step.send(peer, job.life->end);
}

std::string Endings::why_no_retry(const Job& job) {
    const wire::Ended& end = job.life->end;
    const RangeSet& safe = job.books.settled().safe();
    if (job.running()) return "it still runs; cancel it first, or wait for its end";
    if (job.spec->attached) return "its results went to the client that had it; run it again";
    if (end.lost) return "values that it had are lost; submit it again";
    if (!job.total()) return "it was never submitted as a whole; submit it again";
    if (safe.size() == *job.total()) return "each of its fragments has a value";
    bool enough = job.spec->policy == wire::GatherPolicy::quorum ||
                  job.spec->policy == wire::GatherPolicy::first;
    if (enough && end.outcome == wire::Outcome::complete)
        return "it has all the values that it asked for";
    if (!job.payload->blocks.covers(safe.missing({0, *job.total()})))
        return "its payloads were let go for want of memory; submit it again";
    return {};
}

std::vector<Range> Endings::reopen(const Step& step, Job& job) {
    Life& life = *job.life.write();
    ++life.round;
    life.opened = step.now;
    life.end = {};
    auto failed = job.books.reopen();
    owners_.payloads.reopen(job);
    owners_.retention.remove(job);
    return failed;
}

}  // namespace fanfold::broker
