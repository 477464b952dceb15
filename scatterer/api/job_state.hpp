// What is behind a public Job: the job as its user sees it. One thread may add while another
// collects; what the latter uses is guarded by `gathering`.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fanfold/scatterer.hpp"
#include "scatterer/client/client.hpp"
#include "shared/base/birth_process.hpp"

namespace fanfold {

struct Job::State {
    State(std::shared_ptr<scatterer::Client> its_client, JobId its_job);
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    /// Throws when the job was opened elsewhere.
    scatterer::Outbox& scattering();
    /// How the job's outbox reaches the client.
    scatterer::Outbox::Ways ways();

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
    /// Nothing also when the job was cancelled from outside.
    std::optional<ResultRun> run(std::optional<Time> until);
    /// Throws then, if it is an inner job.
    std::optional<ResultRun> next_run(std::optional<Time> until);
    std::optional<FragmentResult> next();
    std::optional<JobEnd> wait(std::optional<Time> until);
    /// Throws when an inner job was cancelled by another than its user: its handler must not make a
    /// value of what it has.
    void check_end() const;
    /// Has the results asked for.
    void collect();

    /// Takes results into memory while adding waits for room: otherwise a user who adds first and
    /// collects later could wait for ever.
    void absorb();

    BirthProcess birth;
    std::shared_ptr<scatterer::Client> client;
    JobId job;
    std::string id;
    std::shared_ptr<scatterer::JobLink> link;
    std::shared_ptr<scatterer::Outbox> outbox;  // of a job that was opened here
    bool attached = false;
    bool has_key = false;
    bool inner = false;                   // attached, and part of an attempt
    std::atomic<bool> cancelled = false;  // by its user
    std::optional<wire::Found> found;     // by its key
    bool watches = false;  // with nothing to submit, it is collected as anybody's job
    scatterer::CollectHow how;
    std::string scratch;

    std::mutex gathering;
    bool collecting = false;  // results are asked for
    std::deque<scatterer::Delivery> waiting;
    std::optional<scatterer::Delivery> current;
    std::uint32_t read_count = 0;  // fragments of the current delivery that next() has read
    std::size_t read_bytes = 0;    // of the current delivery, by next()
    scatterer::Receipt consumed;
    std::uint64_t consumed_bytes = 0;  // not told to the client yet
};

}  // namespace fanfold
