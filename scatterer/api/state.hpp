// What is behind the public classes: a Scatterer's client, and a job as its user sees it. Any
// thread for the former, one at a time for the latter.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "fanfold/scatterer.hpp"
#include "scatterer/client/client.hpp"

namespace fanfold {

struct Scatterer::State {
    /// With a context of its own.
    explicit State(scatterer::ClientOptions options);
    /// In a context that lives longer: for the embedded form. Both connect, and throw FanfoldError
    /// when that fails.
    State(zmq::context_t& context, scatterer::ClientOptions options);
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    /// A job that nobody has heard of.
    std::unique_ptr<Job::State> begin(scatterer::OpenJob opening, JobOptions& options);
    /// One that was found by its key; throws when it is not the one that is meant.
    std::unique_ptr<Job::State> go_on(const wire::Found& found, scatterer::OpenJob opening,
                                      JobOptions& options);
    /// Every part of a job but its outbox.
    std::unique_ptr<Job::State> make_job(const JobId& job, JobOptions& options);

    std::unique_ptr<zmq::context_t> own_context;
    std::shared_ptr<scatterer::Client> client;  // jobs that live longer find it stopped

private:
    void connect(zmq::context_t& context, scatterer::ClientOptions options);
};

/// One thread may add while another collects: what the latter uses is guarded by `gathering`.
struct Job::State {
    State(std::shared_ptr<scatterer::Client> its_client, JobId its_job);
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    scatterer::Outbox& scattering();

    // With `gathering` held.
    /// Brings the next delivery to `current`, unchecked; false when there is none in time, or ever.
    /// The one before is consumed.
    bool advance(std::optional<Time> until);
    /// The rest of the current delivery, which was checked.
    ResultRun current_run();
    /// The next value of it. Throws when it is malformed.
    FragmentResult next_value();
    /// Throws: the current delivery is malformed. The next call goes on behind it.
    [[noreturn]] void refuse_current();
    /// What is consumed and amounts to so much is told to the client.
    void acknowledge(std::uint64_t at_least);
    std::optional<ResultRun> next_run(std::optional<Time> until);
    std::optional<JobEnd> wait(std::optional<Time> until);
    /// Has the results asked for.
    void collect();

    /// Takes results into memory while adding waits for room: otherwise a user who adds first and
    /// collects later could wait for ever.
    void absorb();

    std::shared_ptr<scatterer::Client> client;
    JobId job;
    std::string id;
    std::shared_ptr<scatterer::JobLink> link;
    bool attached = false;
    bool has_key = false;
    std::optional<wire::Found> found;  // by its key
    bool watches = false;  // there is nothing to submit: it is collected as any other client's job
    scatterer::CollectHow how;
    std::string scratch;

    std::mutex gathering;
    bool collecting = false;  // results are asked for
    std::deque<scatterer::Delivery> waiting;
    std::optional<scatterer::Delivery> current;
    std::uint32_t read_count = 0;  // fragments of the current one that next() has read,
    std::size_t read_bytes = 0;    // and their bytes
    scatterer::Receipt consumed;
    std::uint64_t consumed_bytes = 0;  // and not told
};

}  // namespace fanfold
