// One job: its books and payloads, and what each owner knows of it. Jobs holds them all; each group
// of facts is written by the owner that it names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/books/blocks.hpp"
#include "broker/books/books.hpp"
#include "broker/books/run_time_estimate.hpp"
#include "broker/state/owned.hpp"
#include "shared/base/lived_time.hpp"
#include "shared/wire/digest.hpp"

namespace fanfold::broker {

class Clients;
class Dispatcher;
class Endings;
class Estimates;
class Gathering;
class Payloads;
class Persistence;
class Pools;
class Submissions;
class Troubles;
struct Line;
struct Pool;
struct Tenant;

/// What was submitted of it.
struct Submission {
    std::optional<std::uint64_t> announced;  // total of a seal that came before its blocks
    std::optional<std::uint64_t> total;
    std::string digest;                    // of all accepted payloads, where the client tells it,
    std::optional<wire::Digest> payloads;  // and what it must be: of a job with a key, while it
                                           // grows, unless the broker was started since
    bool in_one_block = false;             // it came whole, in its first message
};

/// Its client, and what that was told.
struct Client {
    std::uint64_t token = 0;          // its secret; another client may take the job over
    PeerId peer;                      // its connection; empty when it is gone
    std::uint64_t incarnation = 0;    // 0: it has not said Hello
    std::optional<Time> lease_until;  // it is gone
    std::uint64_t told_limit = limits::job_credit_bytes;  // credit: cumulative body bytes
    std::optional<Time> short_since;  // the user holds as much as it may, and nothing was accepted
    bool told_short = false;          // which the client was told
    std::string notice;               // what the job waits for
};

/// What is held for a user, or for one job of it, in bytes, in memory and elsewhere.
struct Holding {
    std::uint64_t all = 0;
    std::uint64_t described = 0;  // of these, texts that describe jobs, and reasons of their ends
    std::uint64_t results = 0;    // of these, values that gatherers keep until they are forgotten
    bool operator==(const Holding&) const = default;
};

/// Its payloads, and what they count.
struct Payload {
    Blocks blocks;
    std::uint64_t accepted_bytes = 0;
    std::uint64_t freed_bytes = 0;  // of blocks in which every fragment is settled
    std::uint64_t spec_bytes = 0;   // of the texts that describe it
    // Its part of sums over all jobs,
    std::uint64_t accounted_bytes = 0;  // of payloads and outputs in memory,
    std::uint64_t output_bytes = 0;     // of outputs in memory,
    std::uint64_t going_bytes = 0;      // of outputs on their way to gatherers;
    Holding holding;                    // and over those of its user
};

/// Who gathers its results.
struct Assignment {
    PeerId gatherer;  // its session; empty while it is away
    wire::GathererRef known;
    std::uint32_t number = 1;
    bool again = false;       // the gatherer has had it before
    bool taken_over = false;  // from the gatherer: there are no payloads of it here
    bool compared = true;     // what it has of it is known: else some would run in vain
    bool moves = false;       // to another gatherer: nothing is told of it meanwhile
    Time again_at{};          // it is told again then, should the message have been lost,
    Duration patience{};
    std::uint64_t held_bytes = 0;       // at the gatherer, not let go
    std::optional<LivedTime> orphaned;  // its gatherer is away since then,
    bool told_away = false;             // and its clients know
};

/// Its rounds and its end.
struct Life {
    Time opened{};            // or retried
    std::uint32_t round = 0;  // how often it was retried
    wire::Ended end;          // outcome `running` until it has ended
    Time ended_at{};
    std::set<PeerId> watchers;
};

/// Its part of the fleet.
struct Standing {
    wire::JobShare share;
    double served = 0;   // nanoseconds of slots that it was lent, over its weight
    Time rests_until{};  // nothing is dispatched before: workers may hold it from another life
    std::set<PeerId> knowing;  // workers that have its brief
};

/// Where it waits for workers.
struct Waiting {
    Pool* pool = nullptr;  // while it runs: the workers that could serve it,
    Line* line = nullptr;  // and, while it has something to lend, where it stands for that
};

/// What was learnt from its runs.
struct Learnt {
    RunTimeEstimate times;
    double result_bytes = 0;  // mean of a fragment's value
    double output_bytes = 0;  // of the last one that failed
};

/// A worker that could not run a command of the job is given nothing more of it until then.
struct Avoided {
    LivedTime until{};
    Duration patience{};
};

/// Which workers could not run its fragments.
struct Trouble {
    struct Returned {
        std::set<PeerId> workers;
        std::uint32_t times = 0;
    };
    std::map<PeerId, Avoided> avoided;
    std::set<PeerId> unable;            // that can't execute a command of it
    std::map<Index, Returned> by;       // that gave the fragment back,
    std::map<Index, PeerId> failed_at;  // and where it failed last
};

/// Numbers of its rows in the store.
struct RowNumbers {
    std::uint64_t opened = 0, ended = 0, round = 0;
    std::uint64_t safe = 0;  // how many, from 0
    RangeSet tried;
};

struct Job {
    Job(JobId job_id, wire::JobSpec its_spec, std::string its_user, Tenant* its_tenant)
        : id(job_id), user(std::move(its_user)), tenant(its_tenant), spec(std::move(its_spec)) {}

    const JobId id;
    const std::string user;  // whose it is: the sender of its first block; empty without keys
    Tenant* const tenant;    // and what is known of that user; Users writes it
    Owned<Endings, wire::JobSpec> spec;  // once it has ended for good, what of it is asked for
    Books books;
    Owned<Submissions, Submission> submission;
    Owned<Clients, Client> client;
    Owned<Payloads, Payload> payload;
    Owned<Gathering, Assignment> assignment;
    Owned<Endings, Life> life;
    Owned<Dispatcher, Standing> standing;
    Owned<Pools, Waiting> waiting;
    Owned<Estimates, Learnt> learnt;
    Owned<Troubles, Trouble> trouble;
    Owned<Persistence, RowNumbers> rows;

    bool running() const { return life->end.outcome == wire::Outcome::running; }
    std::optional<std::uint64_t> total() const { return submission->total; }
    /// Bytes of values, by their mean, that workers have finished and that are not safe yet.
    double unsafe_bytes() const {
        return learnt->result_bytes * static_cast<double>(books.kept().finished().size());
    }
};

}  // namespace fanfold::broker
