// The worker's core: keeps the session with the broker (broker_session.hpp), and routes what it is
// told to the parts that own it: work.hpp the chunks on loan and the slots that run them,
// results.hpp the values that are kept, done_batch.hpp what the broker is still to be told,
// briefs.hpp what is known of jobs. Events in, actions out, on one thread.
//
// Invariants (check_invariants(), beside those of its parts): a fragment is held or kept, never
// both; what is known of a job stays while something of it is held or kept. Every fragment of a
// dispatched chunk ends in exactly one of: done, failed, returned, recalled, released.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/events/broker_session.hpp"
#include "worker/core/dispatch_numbers.hpp"
#include "worker/core/health.hpp"
#include "worker/core/relay.hpp"
#include "worker/core/results.hpp"
#include "worker/core/work.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

struct Options {
    std::string name;
    Epoch epoch;
    std::uint32_t slots = 1;
    // Each replaces a slot that is stuck. When these are stuck, too, all that comes fails until a
    // handler returns; a worker without any leaves then, for its operator to start it again.
    std::uint32_t spare_slots = 0;
    std::vector<std::string> functions;
    std::vector<std::string> idempotent = {};  // functions of which a fragment may run twice
    std::vector<std::string> labels = {};
    std::vector<wire::Resource> resources = {};
};

class Core {
public:
    explicit Core(Options options);
    void step(Time now, Event event, std::vector<Action>& actions);
    Time next_wakeup() const;
    void check_invariants() const;

    /// Fragments on loan: running or waiting for a slot.
    std::uint64_t held() const;
    /// Bytes of the results that are kept until they are released.
    std::uint64_t kept_bytes() const { return results_.bytes(); }
    /// The broker has welcomed this worker, and is not silent.
    bool connected() const { return session_.standing(); }

private:
    bool left() const { return session_.state() == BrokerSession::State::ended; }
    void route(Step& step, Event& event);
    void route(Step& step, wire::Message& message, Slice& body);

    // the session
    void take_welcome(Step& step, const wire::Welcome& message);
    void take_refusal(Step& step, wire::Refused& message);
    void begin_session(std::uint64_t relay_credit = 0);
    void say_heartbeat(Step& step);
    void keep_time(Step& step);
    void leave(Step& step, std::string error);

    // the work
    void take_dispatch(Step& step, wire::Dispatch& message, Slice body);
    void take_values(Step& step, const Values& event);
    void release(Step& step, const wire::Release& message);
    void drop(Step& step, const JobId& job);
    void settle(Step& step);
    std::uint32_t slots_without_work() const;
    void flush_done(Step& step);
    void finish_drain(Step& step);

    Options options_;
    Time now_{};

    // the session
    LivedClock lived_;
    BrokerSession session_;
    Walls walls_;

    // the work
    DispatchNumbers dispatches_;
    Briefs briefs_;
    Work work_;
    Results results_;
    Relay relay_;
    DoneBatch done_;
    Health health_;
    std::optional<Time> done_since_;   // something is to be told
    std::optional<Time> drain_until_;  // the worker drains, and waits so long for kept results
};

}  // namespace fanfold::worker
