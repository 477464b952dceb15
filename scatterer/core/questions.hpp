// What the broker is asked once: Query, Find, Retry, Forget, Adjust, CancelFragments. Each is asked
// again until it is answered, and gets one answer, whatever fails. Part of the scatterer's core, on
// its thread.
//
// The core has questions of its own: when the broker refuses a job with a key because another
// client was faster, it asks who has the key, so that the user can be told.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "scatterer/core/step.hpp"
#include "scatterer/core/submission.hpp"
#include "scatterer/limits.hpp"

namespace fanfold::scatterer {

/// The error of a client that may not go on with the job that has its key, because another one
/// does.
std::string busy_text(const JobId& job, const std::string& key);

class Questions {
public:
    /// A refusal of one of this client's jobs, with the text that its user reads.
    struct Refusal {
        JobId job;
        std::string text;
    };

    bool empty() const { return asked_.empty(); }
    /// Asks at the next repeat(), which may follow at once.
    void add(const Step& step, const Ask& event);
    /// Asks what has not been asked, and again what has waited for an answer for too long.
    void repeat(Step& step);
    /// A new session: whatever is not answered may have been lost.
    void start_over(const Step& step);
    void fail_all(Step& step, const std::string& why);

    void answer(Step& step, std::uint64_t number, Result<Reply> reply);
    void on_retried(Step& step, const wire::Retried& retried);
    void on_adjusted(Step& step, const wire::Adjusted& adjusted);
    void on_fragments_cancelled(Step& step, const wire::FragmentsCancelled& cancelled);
    void on_forgotten(Step& step, const wire::Forgotten& forgotten);
    /// Returns the job that is refused by that, when the question was the core's own.
    std::optional<Refusal> on_found(Step& step, const wire::Found& found);
    /// Whether the refusal answers questions.
    bool on_refused(Step& step, const JobId& job, const wire::Refused& refused);

    /// Asks who has the key of this client's job. `refusal` is what the broker said of the job.
    void ask_for_holder(Step& step, const Submission& submission, const std::string& refusal);
    void check_invariants() const;

private:
    struct Asked {
        Question question;
        Time ask_at{};
        std::optional<Refusal> own = {};  // the question is the core's, about this refusal
    };
    template <class Message>
    bool answer_about(Step& step, const JobId& job, const Result<Reply>& reply);

    std::map<std::uint64_t, Asked> asked_;             // by number
    std::uint64_t next_own_ = std::uint64_t{1} << 63;  // the callers' numbers are below
};

}  // namespace fanfold::scatterer
