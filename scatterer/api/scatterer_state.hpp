// What is behind a public Scatterer: its client, and how jobs are opened there. Any thread.
#pragma once

#include <memory>
#include <zmq.hpp>

#include "fanfold/scatterer.hpp"
#include "scatterer/client/client.hpp"
#include "shared/base/birth_process.hpp"

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

    BirthProcess birth;
    std::unique_ptr<zmq::context_t> own_context;
    std::shared_ptr<scatterer::Client> client;  // jobs that live longer find it stopped

private:
    void connect(zmq::context_t& context, scatterer::ClientOptions options);
    /// Every part of a job but its outbox.
    std::unique_ptr<Job::State> make_job(const JobId& job, JobOptions& options);
};

}  // namespace fanfold
