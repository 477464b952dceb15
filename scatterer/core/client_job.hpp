// One job as this client sees it, from its first mention until both the user and the broker are
// done with it: a submission if it is the client's own, a collection if its results are wanted, and
// what the broker has said of it. Part of the scatterer's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - it hears one last word, JobConcluded or JobRefused, and nothing is submitted after that;
// - after close() its user is told nothing.
#pragma once

#include <optional>
#include <string>

#include "scatterer/core/collection.hpp"
#include "scatterer/core/step.hpp"
#include "scatterer/core/submission.hpp"

namespace fanfold::scatterer {

class ClientJob {
public:
    explicit ClientJob(JobId id) : id_(id) {}

    // Calls of the user.
    /// `guess`: who will gather it, if the broker agrees.
    void open(Step& step, OpenJob opening, const wire::GathererRef* guess);
    void on(Step& step, AppendBlock& event);
    void on(Step& step, const SealJob& event);
    void on(Step& step, const CollectJob& event);
    void on(Step& step, const Consumed& event);
    void on(Step& step, const CancelJob& event);
    void watch(Step& step);
    void close(const Step& step);
    /// The client ends: the job is cancelled if it was attached.
    void leave(Step& step);

    // What the broker says, and does not say.
    void start_session(const Step& step);
    void on_accepted(Step& step, const wire::Accepted& accepted);
    void on_marked(Step& step, const wire::Marked& marked);
    void on(Step& step, const wire::Sealed& sealed);
    /// Its own place, or that of another job at the same gatherer. Returns the gatherer that it
    /// leaves for that.
    std::optional<GathererKey> on_located(Step& step, const wire::Located& located);
    void on(Step& step, const wire::Ended& ended);
    /// Returns its submission when another client may have its key: the broker is to be asked.
    const Submission* on_refused(Step& step, const wire::Refused& refused);
    /// Something for people to know about a job that goes on. Whether anybody listens.
    bool on(Step& step, const wire::Notice& notice);
    /// The broker has lost its memory. Whether it was the client's own.
    bool on_memory_lost(Step& step);
    /// There is no session to hope for. Whether the broker may yet come back with the job.
    bool on_session_lost(Step& step, const std::string& why);

    /// The collection, if it collects and has not heard the last word.
    Collection* collection() { return concluded_ || !collection_ ? nullptr : &*collection_; }
    void turned_away(Step& step, const GathererKey& by, const wire::Refused& refused);
    /// The last word, in either form.
    void conclude(Step& step, wire::Concluded end);
    void refuse(Step& step, const std::string& text);

    /// Sends what may be sent, and says again what was not answered.
    void repeat(Step& step);
    bool forgettable(Time now) const;
    void check_invariants() const;

private:
    void submit(Step& step);
    void repeat_words(Step& step);
    void tell(Step& step, Action action);

    JobId id_;
    bool own_ = false;                      // opened by this client
    std::optional<Submission> submission_;  // of the client's own job, while it runs
    std::optional<wire::GathererRef> guess_;
    std::optional<Collection> collection_;  // its results are wanted
    std::optional<wire::Located> located_;
    std::optional<wire::Ended> ended_;
    Time ended_at_{};
    bool watched_ = false;               // its end is all that is asked for, unless results are
    bool concluded_ = false;             // the last word was said
    bool closed_ = false;                // the user has let go of it
    std::optional<std::string> cancel_;  // the reason
    std::optional<std::string> broken_;  // why it can't go on, which its user is told at its end
    Time cancel_at_{};                   // when to say so (again)
    Time give_up_at_{};                  // a closed job is forgotten then
    std::string notice_;                 // the last one,
    Time notice_again_{};                // which is told again from then on
    Time watch_at_ = Time::max();        // when to ask the broker (again)
    bool asks_again_ = false;            // its gatherer turned it away
};

}  // namespace fanfold::scatterer
