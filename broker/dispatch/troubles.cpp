#include "broker/dispatch/troubles.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "broker/dispatch/estimates.hpp"

namespace fanfold::broker {

namespace {
/// Command lines that come with jobs are other ones in each.
std::string key_of(const Job& job) {
    return job.spec->function == wire::command_function ? to_string(job.id) : job.spec->function;
}

bool avoids(const Trouble& trouble, Index index, const PeerId& worker, LivedTime lived) {
    auto failed = trouble.failed_at.find(index);
    if (failed != trouble.failed_at.end() && failed->second == worker) return true;
    auto avoided = trouble.avoided.find(worker);
    return avoided != trouble.avoided.end() && avoided->second.until > lived;
}

bool has_all(const std::set<PeerId>& set, const std::set<PeerId>& members) {
    return std::ranges::includes(set, members);
}

bool fails_mostly(const Tally& tally) {
    return tally.failed >= limits::least_failures && tally.failed * 2 > tally.ended;
}
}  // namespace

bool stands_out(const Tally& one, const Tally& others) {
    if (!fails_mostly(one) || others.ended < limits::least_attempts) return false;
    const double rate = (others.failed + 1) / (others.ended + 2);
    const double expected = one.ended * rate;
    return one.failed - expected > limits::deviations * std::sqrt(expected * (1 - rate));
}

// --- given back

bool Troubles::is_given_back(const Step& step, const PeerId& from, Job& job,
                             const wire::Trouble& told) {
    Trouble& trouble = *job.trouble.write();
    if (trouble.by.size() >= limits::troubled_fragments && !trouble.by.contains(told.index))
        return false;
    Trouble::Returned& returned = trouble.by[told.index];
    returned.workers.insert(from);
    if (++returned.times > limits::most_given_back) return false;
    if (told.kind == wire::TroubleKind::worker) return true;  // it rests by itself
    // Each connection of a worker has another name.
    if (trouble.unable.size() >= limits::avoided_workers)
        trouble.unable.clear(), trouble.avoided.clear();
    trouble.unable.insert(from);
    const std::set<PeerId>& members = job.waiting->pool->members;
    const bool none_ran = job.books.kept().size() + job.books.settled().safe().size() == 0;
    if (has_all(returned.workers, members) || (none_ran && has_all(trouble.unable, members)))
        return false;
    Avoided& avoided = trouble.avoided[from];
    avoided.patience =
        std::clamp<Duration>(2 * avoided.patience, limits::first_avoided, limits::longest_avoided);
    avoided.until = step.lived + avoided.patience;
    return true;
}

bool Troubles::is_avoided(const Job& job, Index index, const PeerId& worker,
                          LivedTime lived) const {
    const Trouble& trouble = *job.trouble;
    return avoids(trouble, index, worker, lived) &&
           std::ranges::any_of(job.waiting->pool->members, [&](const PeerId& member) {
               return owners_.sessions.at(member).usable_slots() > 0 &&
                      !avoids(trouble, index, member, lived);
           });
}

// --- failures that stand out

Tally& Troubles::tally(const Job& job, Session& worker) {
    auto& tallies = *worker.tallies.write();
    const std::string key = key_of(job);
    if (tallies.size() >= limits::tallies && !tallies.contains(key)) tallies.clear();
    Tally& tally = tallies[key];
    if (tally.ended >= limits::tallied)
        tally = {.ended = tally.ended / 2, .failed = tally.failed / 2};
    return tally;
}

void Troubles::count(const Job& job, Session& worker, std::uint64_t ended) {
    tally(job, worker).ended += static_cast<double>(ended);
}

Tally Troubles::others(const Job& job, const Session& worker, const std::string& key) const {
    Tally all;
    for (const PeerId& peer : job.waiting->pool->members) {
        const Session& other = owners_.sessions.at(peer);
        auto known = other.tallies->find(key);
        if (&other == &worker || known == other.tallies->end()) continue;
        all.ended += known->second.ended;
        all.failed += known->second.failed;
    }
    return all;
}

void Troubles::count_failure(Step& step, const PeerId& from, Job& job,
                             const wire::Failure& failure) {
    Session* worker = owners_.sessions.find(from);
    if (!worker) return;
    Trouble& trouble = *job.trouble.write();
    if (trouble.failed_at.size() < limits::troubled_fragments && job.spec->retries > 0)
        trouble.failed_at[failure.index] = from;
    Tally& own = tally(job, *worker);
    own.ended += 1;
    const double each = std::max(owners_.estimates.each(job), 0.0);
    const bool quick = failure.elapsed <= limits::quick_failure ||
                       static_cast<double>(Duration(failure.elapsed).count()) <= each;
    if (quick) own.failed += 1;
    if (!quick || worker->load->leaving || !fails_mostly(own)) return;
    if (std::fmod(own.failed, limits::least_failures) >= 1) return;  // it was just looked at
    const Tally rest = others(job, *worker, key_of(job));
    if (!stands_out(own, rest)) return;
    auto text = [](const Tally& tally) {
        return std::to_string(std::llround(tally.failed)) + " of " +
               std::to_string(std::llround(tally.ended));
    };
    doubt(step, from, *worker,
          "'" + job.spec->function + "' failed in " + text(own) + " attempts here, and in " +
              text(rest) + " elsewhere; the last time: " + failure.message.substr(0, limits::KiB));
}

void Troubles::doubt(Step& step, const PeerId& peer, Session& worker, std::string why) {
    worker.tallies.write()->clear();
    step.note(
        {.level = Level::warn, .what = "worker is doubted", .peer = worker.name, .detail = why});
    if (worker.knows_marks()) {
        owners_.loads.doubt(worker, why);
        step.send(peer, wire::Examine{.reason = std::move(why)});
    } else {
        owners_.loads.rest(worker, step.lived + limits::rest_of_an_old_worker);
    }
}

}  // namespace fanfold::broker
