// The broker's core: accepts blocks, slices them into chunks, lends chunks to workers by credit,
// and knows of every fragment where it is. Events in, actions out. It routes each event and message
// to the owner that it is for, and what one owner returns to the next; it decides nothing itself.
// One thread.
//
// Invariants: those of the owners (check_invariants() of each), and that no job is of a peer that
// is gone.
#pragma once

#include <vector>

#include "broker/core/conditions.hpp"
#include "broker/core/directory.hpp"
#include "broker/core/entrance.hpp"
#include "broker/core/moves.hpp"
#include "broker/core/reconciling.hpp"
#include "broker/core/relays.hpp"
#include "broker/core/reports.hpp"
#include "broker/core/requests.hpp"
#include "broker/core/restoring.hpp"
#include "broker/core/submissions.hpp"
#include "broker/dispatch/absences.hpp"
#include "broker/dispatch/idle_work.hpp"
#include "broker/dispatch/returns.hpp"

namespace fanfold::broker {

class Core {
public:
    explicit Core(Options options);
    Core(const Core&) = delete;

    /// Before the first step: every row of the store in its order, then restored().
    void restore(const Record& record) { restoring_.take(record); }
    void restored();

    void step(Time now, Event event, std::vector<Action>& actions);
    Time next_wakeup() const;
    void check_invariants() const;

    /// Whether it is cut off, so that what it says need not even be read.
    bool is_ignored(const PeerId& from, const Sender& sender) const {
        return conduct_.is_ignored(from, sender, now_);
    }

    /// Whether a body of so many bytes may be unpacked for it.
    bool has_room_for(const wire::Message& message, std::uint64_t body_bytes);

    /// For tests and status.
    const Sessions::All& sessions() const { return sessions_.all(); }
    const Jobs::All& jobs() const { return jobs_.all(); }
    std::uint64_t denied() const { return users_.denied(); }
    const Conduct& conduct() const { return conduct_; }

private:
    void on(Step& step, Received& event);
    void on(Step& step, Pulled& event);
    void on(Step& step, Denied& event);
    void on(Step& step, KeysChanged& event);
    void on(Step& step, Unroutable& event);
    void on(Step& step, Garbled& event);
    void on(Step& step, StoreTrouble& event);
    void on(Step& step, Fetched& event);
    void on(Step& step, Tick& event);
    bool route(Step& step, Received& event, Session& session);
    void on_heartbeat(Step& step, const PeerId& from, Session& session, wire::Heartbeat& heartbeat);
    using Request =
        std::variant<wire::Seal*, wire::Query*, wire::Find*, wire::Cancel*, wire::CancelFragments*,
                     wire::Watch*, wire::Adjust*, wire::Retry*, wire::Forget*, wire::Drain*>;
    void ask(Step& step, const PeerId& from, Request request);
    /// What a gatherer says.
    using Word = std::variant<wire::Gathered*, wire::Marked*, wire::Propose*, wire::Forgotten*,
                              wire::Holds*, wire::Described*, wire::RowTaken*>;
    void hear(Step& step, const PeerId& from, Session& session, Word word);
    void join(Step& step, const PeerId& peer, const Entrance::Joined& joined);
    void lose(Step& step, const PeerId& peer, const char* why, bool in_good_order = false);
    void sweep(Step& step);
    Time next_sweep() const;

    const Options options_;
    LivedClock lived_;
    Time now_{};
    Time swept_{};

    const Owners owners_{options_,     jobs_,     users_,     sessions_,  conduct_,  outbox_,
                         persistence_, payloads_, estimates_, loads_,     troubles_, dispatcher_,
                         retention_,   endings_,  errors_,    gathering_, clients_};
    // Each owner knows those above it.
    Jobs jobs_;
    Users users_{options_};
    Sessions sessions_{options_};
    Conduct conduct_{sessions_, users_};
    Outbox outbox_{sessions_};
    Persistence persistence_{options_};
    Payloads payloads_{options_, jobs_, users_, persistence_};
    Estimates estimates_;
    Loads loads_;
    Troubles troubles_{owners_};
    Dispatcher dispatcher_{owners_};
    Returns returns_{owners_};
    Absences absences_{owners_};
    IdleWork idle_work_{owners_};
    Retention retention_{owners_};
    Endings endings_{owners_};
    ErrorBatches errors_{owners_};
    Gathering gathering_{owners_};
    Conditions conditions_{owners_};
    Relays relays_{owners_};
    Clients clients_{owners_};
    Submissions submissions_{owners_};
    Requests requests_{owners_};
    Directory directory_{jobs_, sessions_, clients_};
    Entrance entrance_{owners_};
    Restoring restoring_{owners_};
    Reconciling reconciling_{owners_, restoring_};
    Moves moves_{owners_, reconciling_};
    Reports reports_{jobs_, sessions_, gathering_, moves_};
};

}  // namespace fanfold::broker
