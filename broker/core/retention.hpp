// Jobs that are over: how long they are remembered, and how their gatherers come to forget them
// too. Owned by the core's thread.
//
// Invariants: a job that has ended is in the list of its user; a tombstone's job is not there.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "broker/state/owners.hpp"
#include "broker/state/payloads.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

class Retention {
public:
    explicit Retention(const Owners& owners) : owners_(owners) {}

    /// A job has ended.
    void add(const Job& job) { list_of(job).push_back(job.id); }
    /// It runs again.
    void remove(const Job& job) { std::erase(list_of(job), job.id); }
    /// Nothing is known of the job any more. Its gatherer is told until it says that it has
    /// forgotten too; a tombstone reminds of that.
    void forget(Step& step, const Job& job);
    /// Those that were remembered for long enough, and those that are too many.
    void forget_ended(Step& step);

    bool has_tombstone(const JobId& job) const { return tombstones_.contains(job); }
    void restore_tombstone(const JobId& job, const wire::GathererRef& gatherer) {
        tombstones_[job] = {.gatherer = gatherer, .since = owners_.options.started};
    }
    /// Reminds the gatherers, and takes tombstones away that are not needed any more.
    void remind(Step& step);
    /// A gatherer has come that may be told.
    void hurry(Time now) { next_reminder_ = now; }
    void on_forgotten(Step& step, const Session& gatherer, const wire::Forgotten& forgotten);
    void check_invariants() const;

private:
    struct Tombstone {
        wire::GathererRef gatherer;
        Time since{};
    };
    using List = std::deque<JobId>;             // oldest first
    using Lists = std::map<std::string, List>;  // by user

    List& list_of(const Job& job) { return (job.spec->attached ? attached_ : kept_)[job.user]; }
    void shorten(Step& step, Lists& lists, std::size_t most);
    void bury(Step& step, const Job& job);
    void forget_oldest(Step& step, List& list);
    void ask_to_forget(Step& step, const JobId& job, const wire::GathererRef& known);

    const Owners& owners_;
    Lists attached_;  // nobody asks for these for long
    Lists kept_;
    std::map<JobId, Tombstone> tombstones_;
    Time next_reminder_{};
};

}  // namespace fanfold::broker
