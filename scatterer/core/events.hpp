// What the scatterer's core is told and what it asks for. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "scatterer/core/block_builder.hpp"
#include "shared/base/result.hpp"
#include "shared/events/events.hpp"
#include "shared/events/walls.hpp"

namespace fanfold::scatterer {

/// One life of a gatherer.
struct GathererKey {
    std::string name;
    Epoch epoch;
    auto operator<=>(const GathererKey&) const = default;
};
inline GathererKey key_of(const wire::GathererRef& gatherer) {
    return {gatherer.name, gatherer.epoch};
}

/// How far a collector's user is: a position is worth something only to the gatherer (the source)
/// that gave it.
struct Receipt {
    std::uint32_t source = 0;
    std::uint64_t position = 0;
    auto operator<=>(const Receipt&) const = default;
};

struct CollectHow {
    bool ordered = false;
    bool now = false;  // what is there, then the end
};

/// What the broker has of a job with a key that is not sealed: its submission goes on behind that.
struct Continuation {
    Index next = 0;           // fragments accepted
    std::uint64_t bytes = 0;  // of their payloads
    std::uint64_t limit = 0;  // as in JobRoom
};

/// What is asked of the broker once, and what it answers: Query with Report, Find with Found, Retry
/// with Retried, Forget with Forgotten, Adjust with Adjusted, CancelFragments with
/// FragmentsCancelled, Drain with Drained.
using Question = std::variant<wire::Query, wire::Find, wire::Retry, wire::Forget, wire::Adjust,
                              wire::CancelFragments, wire::Drain>;
using Reply = std::variant<wire::Report, wire::Found, wire::Retried, wire::Forgotten,
                           wire::Adjusted, wire::FragmentsCancelled, wire::Drained>;

// --- events: calls of the user
/// A job of our own. With `collect`, its results are asked for together with its first block.
struct OpenJob {
    JobId job;
    std::uint64_t token = 0;
    wire::JobSpec spec;
    std::optional<CollectHow> collect;
    std::optional<Continuation> continues = {};
};
/// The next block of it; with `total`, the last one.
struct AppendBlock {
    JobId job;
    PackedBlock block;
    std::optional<std::uint64_t> total = {};
};
/// No block follows.
struct SealJob {
    JobId job;
    std::uint64_t total = 0;
    std::string digest = {};  // of a job with a key: over all its payloads
};
/// Results are wanted: of a job of our own that was opened without, or of a watched one.
struct CollectJob {
    JobId job;
    CollectHow how;
};
/// The user has dealt with what was delivered up to the receipt, `bytes` more than before.
struct Consumed {
    JobId job;
    Receipt upto;
    std::uint64_t bytes = 0;
};
struct CancelJob {
    JobId job;
    std::string reason;
};
/// A job that was opened by whomever: tell where it is gathered, and that it has ended.
struct WatchJob {
    JobId job;
};
/// Asked again until it is answered. The number is the caller's, unique among those not answered; a
/// Query and a Find bear it too.
struct Ask {
    std::uint64_t number = 0;
    Question question;
};
/// The user has let go of the job: nothing more is delivered. What it has appended and sealed still
/// gets to the broker.
struct CloseJob {
    JobId job;
};
/// The client ends: attached jobs that run are cancelled, and the broker is told.
struct Leave {};

// --- events: the rest
/// The shell has made a (new) connection to the broker, under this routing id.
struct ControlOpened {
    PeerId self;
};
struct FromBroker {
    wire::Message message;
    Slice body = {};
};
struct FromGatherer {
    GathererKey from;
    wire::Message message;
    Slice body = {};
};
/// A part of a message of the gatherer: the rest is on its way.
struct GathererSends {
    GathererKey from;
};

using Event = std::variant<OpenJob, AppendBlock, SealJob, CollectJob, Consumed, CancelJob, WatchJob,
                           Ask, CloseJob, Leave, ControlOpened, FromBroker, FromGatherer,
                           GathererSends, Reach, Garbled, Tick>;

// --- actions: to the fleet
struct SendBroker {
    wire::Message message;
};
struct PushBlock {
    wire::Block message;
    Slice body;
};
/// Behind the blocks.
struct PushMark {
    wire::Mark message;
};
/// The shell keeps one connection for each gatherer and chooses the endpoint.
struct SendGatherer {
    wire::GathererRef to;
    wire::Message message;
};
/// The broker is silent: the shell makes a new connection with a new routing id, and reports it by
/// ControlOpened.
struct Reconnect {};

// --- actions: to the user's side
/// The session stands: blocks go to the endpoints of this welcome, within its limits.
struct Connected {
    wire::Welcome welcome;
};
/// No session, and none to hope for. All jobs and questions have been told before.
struct ConnectionFailed {
    std::string text;
};
/// A run of values that was not delivered before.
struct Deliver {
    JobId job;
    Receipt receipt;
    Index first = 0;
    std::uint32_t count = 0;
    wire::RunMeta meta;
    Slice body;
};
/// A fragment that ended without a value and was not delivered before.
struct DeliverFailure {
    JobId job;
    Receipt receipt;
    wire::Failure failure;
    Slice output;
};
/// Body bytes of the job, counted from its start, that its user may hand in.
struct JobRoom {
    JobId job;
    std::uint64_t limit = 0;
};
struct JobSealed {
    JobId job;
};
/// The broker knows the job, and somebody gathers it.
struct JobLocated {
    JobId job;
};
/// The broker has said that the job has ended: it takes no further fragments. Results may still be
/// on their way.
struct JobEnded {
    JobId job;
    wire::Outcome outcome = wire::Outcome::running;
    std::string reason;
    bool sealed = false;
};
/// The job has ended and everything was delivered (with Outcome::running: everything that is there
/// now). The last word on a job.
struct JobConcluded {
    JobId job;
    wire::Concluded end;
};
/// The job was refused, or the system lost it. The last word on a job.
struct JobRefused {
    JobId job;
    std::string text;
};
/// For people, about a job that goes on.
struct JobNotice {
    JobId job;
    std::string text;
};
/// For people, about the connection, where no job is there to be told.
struct ConnectionNotice {
    std::string text;
};
struct Answer {
    std::uint64_t number = 0;
    Result<Reply> reply;
};

using Action =
    std::variant<SendBroker, PushBlock, PushMark, SendGatherer, Reconnect, Connected,
                 ConnectionFailed, Deliver, DeliverFailure, JobRoom, JobSealed, JobLocated,
                 JobEnded, JobConcluded, JobRefused, JobNotice, ConnectionNotice, Answer, Note>;

}  // namespace fanfold::scatterer
