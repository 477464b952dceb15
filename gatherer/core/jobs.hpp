// The jobs of this gatherer: assigned, filled with results and failures, ended, forgotten. Owned by
// the gatherer's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - a fragment has at most one entry in its job's assembly, a value or a failure; what comes again
//   is counted and dropped;
// - a job has at most one outcome, and collectors hear of it only when it is final.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "gatherer/core/inventory.hpp"
#include "gatherer/core/outcomes.hpp"
#include "gatherer/core/restoring.hpp"

namespace fanfold::gatherer {

class Jobs {
public:
    struct Parts {
        Outcomes& outcomes;
        Collecting& collecting;
        Admission& admission;
        Early& early;
        Memory& memory;
        Confirmations& confirmations;
        Inventory& inventory;
        Persistence& persistence;
    };
    /// `state` is the folder of the state, as people know it.
    Jobs(std::string state, Parts parts) : state_(std::move(state)), parts_(parts) {}

    const JobTable& all() const { return jobs_; }
    /// Null when there is none.
    Job* find(const JobId& id) const;

    /// The jobs of an earlier life go on where they were.
    void resume(Step& step, Restored restored);
    void assign(Step& step, const wire::Assign& assign);
    /// The job has come from another gatherer, and is this one's now.
    void take_in(Step& step, std::unique_ptr<Job> came, const wire::Assign& assign);
    Job& insert(std::unique_ptr<Job> job) {
        return *jobs_.emplace(job->id, std::move(job)).first->second;
    }
    /// What was cut short is done now: by an earlier life, or as the job was to go elsewhere.
    void go_on(Step& step, Job& job);
    void add_results(Step& step, const wire::Results& results, const Slice& body,
                     const Sender& sender);
    void add_errors(Step& step, wire::Errors errors, const Slice& body);
    void on_forget(Step& step, const JobId& id);
    void forget(Step& step, Job& job);
    /// The broker does not know these.
    void on_describe(Step& step, const wire::Describe& describe);
    void on_welcome(Step& step, Greeting greeting);
    /// The store can write again, so that the broker and collectors can be told things again.
    void on_store_mended(Step& step);
    void on_fetched(Step& step, const Fetched& event);
    void on_time(Step& step);

    void check_invariants() const;

private:
    void take_early(Step& step, Job& job);
    void assign_again(Step& step, Job& job, const wire::Assign& assign);
    void start_round(Step& step, Job& job, const wire::Assign& assign);
    void set_total(Step& step, Job& job, std::uint64_t total);
    void store(Step& step, Job& job, const wire::Results& results, const Slice& body);
    void drop_late(Step& step, Job& job, Range range);
    void add_failure(Step& step, Job& job, wire::Failure failure, const Slice& output);
    void after_storing(Step& step, Job& job);
    void repeat_all(Step& step);
    void repeat(Step& step, Job& job);
    void on_damage(Step& step, Job& job, std::uint64_t sequence);
    void relieve_memory(Step& step);

    std::string state_;
    Parts parts_;
    JobTable jobs_;
};

}  // namespace fanfold::gatherer
