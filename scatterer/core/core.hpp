// The scatterer's core: the session with the broker, and every job that this client scatters,
// gathers or watches. It owns all of that, on one thread; events in, actions out.
//
// Invariants (checked by check_invariants()):
// - what has been appended to a job and not been accepted by the broker is kept, and sent again
// until it is;
// - every job hears one last word, JobConcluded or JobRefused, and every question one Answer;
// - a fragment's result is delivered at most once.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scatterer/core/collection.hpp"
#include "scatterer/core/events.hpp"
#include "scatterer/core/submission.hpp"
#include "shared/events/events.hpp"

namespace fanfold::scatterer {

struct Options {
    std::string broker;  // its endpoint, for what people read
    std::string name;    // of this client
    Epoch epoch;         // of this client's life
    Duration connect_timeout = limits::connect_timeout;
};

/// The error of a client that may not go on with the job that has its key, because another one
/// does.
std::string busy_text(const JobId& job, const std::string& key);

class Core {
public:
    explicit Core(Options options) : options_(std::move(options)) {}

    void step(Time now, Event event, std::vector<Action>& actions);
    /// When it next wants a Tick; the shell may send one earlier.
    Time next_wakeup() const;
    void check_invariants() const;
    std::size_t job_count() const { return jobs_.size(); }

private:
    /// One job, from its first mention until both the user and the broker are done with it.
    struct Entry {
        bool own = false;                        // opened by this client
        std::optional<Submission> submission;    // of our own job, while it runs
        std::optional<wire::GathererRef> guess;  // who will gather it, if the broker agrees
        std::optional<Collection> collection;    // its results are wanted
        std::optional<wire::Located> located;
        std::optional<wire::Ended> ended;
        Time ended_at{};
        bool watched = false;               // its end is all that is asked for, unless results are
        bool concluded = false;             // the last word was said
        bool closed = false;                // the user has let go of it
        std::optional<std::string> cancel;  // the reason
        Time cancel_at{};                   // when to say so (again)
        Time give_up_at{};                  // a closed job is forgotten then
        Time watch_at = Time::max();        // when to ask the broker (again)
    };
    /// A question on its way, until it is answered.
    struct Asked {
        Question question;
        Time ask_at{};
        std::optional<JobId> about =
            {};  // the core's own: who has the key of this job, which was refused,
        std::string refusal = {};  // with this text?
    };
    enum class Phase : std::uint8_t {
        connecting,  // no Welcome yet
        connected,
        reconnecting,  // was connected; a new session is under way
        gone,          // given up for now: calls are refused; a Welcome brings it back
        refused,       // the broker will not have us: for good
    };

    // core.cpp: the session
    void on(const ControlOpened& event);
    void on(FromBroker& event);
    void on(const Garbled& event);
    void on(const Tick&);
    void on(const Leave&);
    void on_broker(const wire::Welcome& welcome);
    void on_broker(const wire::Refused& refused);
    void say_hello();
    void check_session();
    void connection_failed(Phase phase, const std::string& text);
    void resume();
    void send(wire::Message message) { actions_->push_back(SendBroker{std::move(message)}); }

    // questions.cpp: what is asked once
    void on(const Ask& event);
    void on_broker(const wire::Report& report) { answer(report.number, report); }
    void on_broker(const wire::Found& found);
    void on_broker(const wire::Retried& retried);
    void on_broker(const wire::Adjusted& adjusted);
    void on_broker(const wire::Forgotten& forgotten);
    bool on_refused_question(const JobId& job, const wire::Refused& refused);
    void ask(Asked& asked);
    void ask_again();
    void answer(std::uint64_t number, Result<Reply> reply);
    void ask_who_has_the_key(const JobId& job, const Submission& submission,
                             const std::string& refusal);
    template <class Message>
    bool answer_about(const JobId& job, const Result<Reply>& reply);

    // jobs.cpp: the jobs
    void on(OpenJob& event);
    void on(AppendBlock& event);
    void on(const SealJob& event);
    void on(const CollectJob& event);
    void on(const Consumed& event);
    void on(const CancelJob& event);
    void on(const WatchJob& event);
    void on(const CloseJob& event);
    void on(FromGatherer& event);
    void on_broker(const wire::Accepted& accepted);
    void on_broker(const wire::Sealed& sealed);
    void on_broker(const wire::Located& located);
    void on_broker(const wire::Notice& notice);
    void on_broker(const wire::Ended& ended);
    void on_refused_job(const JobId& job, const wire::Refused& refused);
    void on_gatherer(Entry& entry, const FromGatherer& event, const wire::Refused& refused);
    void start_collecting(const JobId& job, Entry& entry, CollectHow how);
    void pump(const JobId& job, Entry& entry);
    void tick(const JobId& job, Entry& entry);
    void conclude(const JobId& job, Entry& entry, wire::Concluded end);
    void conclude_if_mute(const JobId& job, Entry& entry);
    void conclude_as_ended(const JobId& job, Entry& entry);
    void refuse(const JobId& job, Entry& entry, const std::string& text);
    bool forgettable(const Entry& entry) const;
    void forget_finished();
    void look_after_jobs();
    Entry* find(const JobId& job);
    const wire::GathererRef* next_gatherer();
    bool connected() const { return phase_ == Phase::connected; }
    bool accepts_calls() const { return phase_ != Phase::gone && phase_ != Phase::refused; }

    Options options_;
    std::vector<Action>* actions_ = nullptr;  // of the step under way
    Time now_{};
    LivedClock lived_;

    Phase phase_ = Phase::connecting;
    PeerId self_;
    std::string failure_;                   // why calls are refused
    std::optional<wire::Welcome> welcome_;  // of the latest session
    std::optional<Epoch>
        doubted_;  // of a Welcome that may be one of an earlier life of the broker, late on its way
    std::vector<wire::GathererRef> gatherers_;
    std::size_t turn_ = 0;                    // of the gatherers
    std::optional<LivedTime> waiting_since_;  // no session since then
    LivedTime heard_{};                       // the broker's last message
    LivedTime reconnect_at_ = LivedTime::max();
    Time hello_at_ = Time::max();
    Time heartbeat_at_ = Time::max();
    Time check_at_{};

    std::map<JobId, Entry> jobs_;
    std::map<JobId, Time> lost_;                // our own that were given up, and when
    std::map<std::uint64_t, Asked> questions_;  // by number
    std::uint64_t own_questions_ = 0;
};

}  // namespace fanfold::scatterer
