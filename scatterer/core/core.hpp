// The scatterer's core: events in, actions out. It routes each event and message to the one of its
// three owners that it is about, and tells the others what that has changed: the session with the
// broker, the jobs of this client, and the questions that it has asked. One thread.
//
// Invariants (checked by check_invariants()):
// - what has been appended to a job and not been accepted by the broker is kept, and sent again
//   until it is;
// - every job hears one last word, JobConcluded or JobRefused, and every question one Answer;
// - a fragment's result is delivered at most once.
#pragma once

#include <string>
#include <vector>

#include "scatterer/core/events.hpp"
#include "scatterer/core/jobs.hpp"
#include "scatterer/core/questions.hpp"
#include "scatterer/core/session.hpp"
#include "scatterer/core/step.hpp"

namespace fanfold::scatterer {

class Core {
public:
    explicit Core(Options options) : session_(std::move(options)) {}

    void step(Time now, Event event, std::vector<Action>& actions);
    /// When it next wants a Tick; the shell may send one earlier.
    Time next_wakeup() const;
    void check_invariants() const;
    std::size_t job_count() const { return jobs_.size(); }

private:
    void route(Step& step, FromBroker& event);
    void route(Step& step, FromGatherer& event);
    void ask(Step& step, const Ask& event);
    void welcome(Step& step, const wire::Welcome& welcome);
    void refused(Step& step, const wire::Refused& refused);
    void tick(Step& step);
    void keep_session(Step& step);
    void repeat(Step& step);
    void leave(Step& step);
    void give_up(Step& step, const std::string& why);
    void tell(Step& step, const std::string& text);

    Session session_;
    Jobs jobs_;
    Questions questions_;
    Walls walls_;
    Time now_{};  // of the latest step
    LivedClock lived_;
    Time repeat_at_{};
};

}  // namespace fanfold::scatterer
