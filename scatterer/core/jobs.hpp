// The jobs that this client scatters, gathers or watches, by their ids, and the gatherers that it
// has heard of. It hands each call and message to the job that it is about. Part of the scatterer's
// core, on its thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "scatterer/core/client_job.hpp"
#include "scatterer/core/gatherers.hpp"

namespace fanfold::scatterer {

class Jobs {
public:
    bool empty() const { return jobs_.empty(); }
    std::size_t size() const { return jobs_.size(); }

    /// A call, or a message of the broker, that concerns one job alone.
    template <class Event>
    void handle(Step& step, Event& event) {
        if (ClientJob* job = find(event.job)) job->on(step, event);
    }

    // Calls of the user.
    void open(Step& step, OpenJob event);
    void watch(Step& step, const WatchJob& event);
    void close(Step& step, const CloseJob& event);
    void leave(Step& step);

    // What the broker says, and does not say.
    void learn(std::vector<wire::GathererRef> gatherers) {
        gatherers_.replace(std::move(gatherers));
    }
    void start_session(Step& step);
    void on_accepted(Step& step, const wire::Accepted& accepted);
    void on_marked(Step& step, const wire::Marked& marked);
    void on_located(Step& step, const wire::Located& located);
    /// Returns the submission of a job whose key another client may have: the broker is to be
    /// asked.
    const Submission* on_refused(Step& step, const JobId& job, const wire::Refused& refused);
    void refuse(Step& step, const JobId& job, const std::string& text);
    /// Whether there was anybody to tell.
    bool notify_all(Step& step, const std::string& text);
    /// Gatherers that can't be connected to: those who wait for their results hear of it, and in
    /// the end wait no more.
    void tell_of_walls(Step& step, const std::vector<wire::Unreached>& walls);
    void on_memory_lost(Step& step);
    void on_session_lost(Step& step, const std::string& why);

    // What a gatherer says.
    void on_values(Step& step, const GathererKey& from, const wire::Values& values,
                   const Slice& body);
    void on_failures(Step& step, const GathererKey& from, const wire::Failures& failures,
                     const Slice& body);
    void on_concluded(Step& step, const GathererKey& from, const wire::Concluded& concluded);
    void on_marked(Step& step, const GathererKey& from, const wire::Marked& marked);
    /// Something long is on its way from there.
    void hear(const Step& step, const GathererKey& from);
    void turned_away(Step& step, const GathererKey& by, const wire::Refused& refused);

    /// Says again what was not answered, and forgets what is finished.
    void repeat(Step& step);
    void check_invariants() const;

private:
    ClientJob* find(const JobId& job);

    std::map<JobId, ClientJob> jobs_;
    std::map<JobId, Time> given_up_;  // the client's own, and when
    Gatherers gatherers_;
    std::set<std::string> walls_;  // gatherers that are told not to be reached
};

}  // namespace fanfold::scatterer
