// The gatherer's core: assembles the results of jobs by correlation ID, once each, enforces
// deadlines and gather policies, streams to collectors. Events in, actions out, on one thread.
//
// The class is a router: it brings each event and each message to its owner and decides nothing.
// Owners call only those that are named before them here.
//
//   Persistence     the rows of each change
//   BrokerLink      the session with the broker
//   Admission       the keys that are let in, and the peers that are cut off
//   Early           what comes before its job
//   Confirmations   what the broker is told to be safe
//   Memory          what is in memory, and what in the store alone
//   Collecting      the clients that collect
//   Outcomes        how jobs end
//   Jobs            all jobs, from assignment to forgetting
//   Giving, Taking  a job's rows, to another gatherer and from one
//   Moves           the jobs between them
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "gatherer/core/admission.hpp"
#include "gatherer/core/broker_link.hpp"
#include "gatherer/core/collecting.hpp"
#include "gatherer/core/confirmations.hpp"
#include "gatherer/core/early.hpp"
#include "gatherer/core/jobs.hpp"
#include "gatherer/core/memory.hpp"
#include "gatherer/core/moves.hpp"
#include "gatherer/core/outcomes.hpp"
#include "gatherer/core/persistence.hpp"
#include "gatherer/core/restoring.hpp"

namespace fanfold::gatherer {

struct Options {
    wire::GathererRef self;  // as told to the broker
    /// Of all results held. Durable: what exceeds it is in the store alone.
    std::uint64_t memory_bytes = limits::gatherer_memory_bytes;
    bool durable = false;  // it asks for its state to be kept, by Persist
    /// Durable: what the wall clock read, since 1970, when the steady clock read zero.
    std::chrono::milliseconds steady_began{0};
    Duration keep = limits::keep_ended;  // of jobs that no broker knows any more
    std::string state = {};              // the folder of the state, as people know it
};

class Core {
public:
    explicit Core(Options options) : options_(std::move(options)) {}
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    /// Durable: takes a row that an earlier life left. All of them, in the order of the store,
    /// before the first step. A row that can't be read fails its job.
    void restore(const Record& record) { restoring_.take(record); }

    /// Rows that could not be read.
    std::uint64_t unreadable_rows() const { return restoring_.unreadable(); }

    void step(Time now, Event event, std::vector<Action>& actions);
    /// When it next wants a Tick; the shell may send one earlier.
    Time next_wakeup() const;
    /// Whether the job's user asked for compressed values.
    bool compresses(const JobId& job) const;
    /// Whether it is cut off, so that what it says need not even be read.
    bool is_ignored(const PeerId& from, const Sender& sender) const {
        return misbehaviour().ignores(from, sender, now_);
    }
    void check_invariants() const;
    const Misbehaviour& misbehaviour() const { return admission_.misbehaviour(); }
    /// Bytes of results held, in memory or in the store alone, for status and tests.
    std::uint64_t held_bytes() const { return memory_.held_bytes(); }
    /// Of them in memory.
    std::uint64_t memory_bytes() const { return memory_.memory_bytes(); }
    /// Jobs that are kept until they are forgotten, for tests.
    std::uint64_t kept_jobs() const;
    /// Messages of those who may not send them.
    std::uint64_t denied() const { return admission_.denied(); }

private:
    void on(Step& step, FromBroker& event);
    void on(Step& step, Received& event);
    void on(Step& step, Pulled& event);
    void on(Step& step, Garbled& event);
    void on_mark(Step& step, const wire::Mark& mark);
    void answer(Step& step, const wire::Mark& mark);

    void resume(Step& step);
    void strike(Step& step, const Admission::Offence& offence);

    const Options options_;
    LivedClock clock_;
    Time now_{};  // of the last step
    Persistence persistence_{{.durable = options_.durable, .steady_began = options_.steady_began}};
    BrokerLink broker_{options_.self, persistence_};
    Admission admission_;
    Early early_;
    Confirmations confirmations_{broker_};
    Memory memory_{options_.memory_bytes, persistence_};
    Collecting collecting_{options_.self.name,
                           {admission_, early_, memory_, confirmations_, broker_, persistence_}};
    Outcomes outcomes_{
        {collecting_, memory_, confirmations_, broker_, persistence_, options_.keep}};
    Inventory inventory_{broker_};
    Jobs jobs_{options_.state,
               {outcomes_, collecting_, admission_, early_, memory_, confirmations_, inventory_,
                persistence_}};
    Giving giving_{{outcomes_, memory_, broker_, persistence_}};
    Taking taking_{memory_, broker_, persistence_};
    Moves moves_{{jobs_, collecting_, giving_, taking_}};
    Restoring restoring_{memory_, persistence_};
    bool resumed_ = false;  // by the first step
};

}  // namespace fanfold::gatherer
