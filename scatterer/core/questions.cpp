#include "scatterer/core/questions.hpp"

#include <utility>

namespace fanfold::scatterer {

void Questions::add(const Step& step, const Ask& event) {
    asked_.insert_or_assign(event.number, Asked{.question = event.question, .ask_at = step.now});
}

void Questions::repeat(Step& step) {
    for (auto& [number, asked] : asked_) {
        if (step.now < asked.ask_at) continue;
        asked.ask_at = step.now + limits::question_again;
        std::visit([&](const auto& message) { step.send(message); }, asked.question);
    }
}

void Questions::start_over(const Step& step) {
    for (auto& [number, asked] : asked_) asked.ask_at = step.now;
}

void Questions::fail_all(Step& step, const std::string& why) {
    for (auto& [number, asked] : std::exchange(asked_, {}))
        if (!asked.own) step.act(Answer{number, fail(why)});
}

void Questions::answer(Step& step, std::uint64_t number, Result<Reply> reply) {
    if (asked_.erase(number) > 0) step.act(Answer{number, std::move(reply)});
}

/// Answers all that have asked by such a message about the job. Whether there was one.
template <class Message>
bool Questions::answer_about(Step& step, const JobId& job, const Result<Reply>& reply) {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, asked] : asked_)
        if (const auto* message = std::get_if<Message>(&asked.question);
            message && message->job == job)
            numbers.push_back(number);
    for (std::uint64_t number : numbers) answer(step, number, reply);
    return !numbers.empty();
}

void Questions::on_retried(Step& step, const wire::Retried& retried) {
    answer_about<wire::Retry>(step, retried.job, Reply(retried));
}

void Questions::on_adjusted(Step& step, const wire::Adjusted& adjusted) {
    answer_about<wire::Adjust>(step, adjusted.job, Reply(adjusted));
}

void Questions::on_fragments_cancelled(Step& step, const wire::FragmentsCancelled& cancelled) {
    answer_about<wire::CancelFragments>(step, cancelled.job, Reply(cancelled));
}

void Questions::on_forgotten(Step& step, const wire::Forgotten& forgotten) {
    answer_about<wire::Forget>(step, forgotten.job, Reply(forgotten));
}

bool Questions::on_refused(Step& step, const JobId& job, const wire::Refused& refused) {
    Result<Reply> reply = fail(refused.text);
    bool retry = answer_about<wire::Retry>(step, job, reply);
    bool adjust = answer_about<wire::Adjust>(step, job, reply);
    // What else is refused is the job itself, which the question waits for.
    bool cancel = refused.code != wire::RefusalCode::overloaded &&
                  answer_about<wire::CancelFragments>(step, job, reply);
    return answer_about<wire::Forget>(step, job, reply) || retry || adjust || cancel;
}

void Questions::ask_for_holder(Step& step, const Submission& submission,
                               const std::string& refusal) {
    for (const auto& [number, asked] : asked_)
        if (asked.own && asked.own->job == submission.job()) return;
    std::uint64_t number = next_own_++;
    wire::Find find{.number = number, .key = submission.key(), .token = submission.token()};
    asked_.emplace(number, Asked{.question = find,
                                 .ask_at = step.now + limits::question_again,
                                 .own = Refusal{submission.job(), refusal}});
    step.send(std::move(find));
}

std::optional<Questions::Refusal> Questions::on_found(Step& step, const wire::Found& found) {
    auto it = asked_.find(found.number);
    if (it == asked_.end() || !it->second.own) {
        answer(step, found.number, Reply(found));
        return std::nullopt;
    }
    Asked asked = std::move(it->second);
    asked_.erase(it);
    const std::string& key = std::get<wire::Find>(asked.question).key;
    bool another = found.job && *found.job != asked.own->job;
    if (!another) return asked.own;
    return Refusal{asked.own->job, found.busy ? busy_text(*found.job, key)
                                              : "another client has just submitted job " +
                                                    to_string(*found.job) + " with the key '" +
                                                    key + "'; the same command again finds it"};
}

void Questions::check_invariants() const {
    for (const auto& [number, asked] : asked_) {
        if (const auto* query = std::get_if<wire::Query>(&asked.question))
            FANFOLD_CHECK(number == query->number);
        if (const auto* find = std::get_if<wire::Find>(&asked.question))
            FANFOLD_CHECK(number == find->number);
    }
}

std::string busy_text(const JobId& job, const std::string& key) {
    return "another client is submitting job " + to_string(job) + " with the key '" + key +
           "'; wait for its end, or use another key";
}

}  // namespace fanfold::scatterer
