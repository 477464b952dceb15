// What the core asks the broker once: Query, Find, Retry, Forget, Adjust. Each is asked again until
// it is answered.
#include <utility>

#include "scatterer/core/core.hpp"

namespace fanfold::scatterer {

namespace {
using namespace std::chrono_literals;
constexpr Duration question_again = 2s;
constexpr std::uint64_t own_numbers = std::uint64_t{1} << 63;  // those of the callers are below
}  // namespace

void Core::on(const Ask& event) {
    if (!accepts_calls()) {
        actions_->push_back(Answer{event.number, fail(failure_)});
        return;
    }
    Asked& asked =
        questions_.insert_or_assign(event.number, Asked{.question = event.question, .ask_at = now_})
            .first->second;
    if (connected()) ask(asked);
}

void Core::ask(Asked& asked) {
    asked.ask_at = now_ + question_again;
    std::visit([this](const auto& message) { send(message); }, asked.question);
}

void Core::ask_again() {
    for (auto& [number, asked] : questions_)
        if (now_ >= asked.ask_at) ask(asked);
}

void Core::answer(std::uint64_t number, Result<Reply> reply) {
    if (questions_.erase(number) > 0) actions_->push_back(Answer{number, std::move(reply)});
}

/// Answers whoever has sent such a message about the job. Whether anybody has.
template <class Message>
bool Core::answer_about(const JobId& job, const Result<Reply>& reply) {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, asked] : questions_)
        if (const auto* message = std::get_if<Message>(&asked.question);
            message && message->job == job)
            numbers.push_back(number);
    for (std::uint64_t number : numbers) answer(number, reply);
    return !numbers.empty();
}

void Core::on_broker(const wire::Retried& retried) {
    answer_about<wire::Retry>(retried.job, Reply(retried));
}

void Core::on_broker(const wire::Adjusted& adjusted) {
    answer_about<wire::Adjust>(adjusted.job, Reply(adjusted));
}

void Core::on_broker(const wire::Forgotten& forgotten) {
    answer_about<wire::Forget>(forgotten.job, Reply(forgotten));
}

bool Core::on_refused_question(const JobId& job, const wire::Refused& refused) {
    Result<Reply> reply = fail(refused.text);
    bool retry = answer_about<wire::Retry>(job, reply);
    bool adjust = answer_about<wire::Adjust>(job, reply);
    return answer_about<wire::Forget>(job, reply) || retry || adjust;
}

// --- two clients with one key
// -----------------------------------------------------------------------------------

/// Another client may have been faster with the same key: the user is told what it does.
void Core::ask_who_has_the_key(const JobId& job, const Submission& submission,
                               const std::string& refusal) {
    for (const auto& [number, asked] : questions_)
        if (asked.about == job) return;
    std::uint64_t number = own_numbers + own_questions_++;
    Asked asked{.question = wire::Find{
                    .number = number, .key = submission.key(), .token = submission.token()}};
    asked.about = job;
    asked.refusal = refusal;
    ask(questions_.emplace(number, std::move(asked)).first->second);
}

void Core::on_broker(const wire::Found& found) {
    auto it = questions_.find(found.number);
    if (it == questions_.end() || !it->second.about) return answer(found.number, Reply(found));
    Asked asked = std::move(it->second);
    questions_.erase(it);
    Entry* entry = find(*asked.about);
    if (!entry || entry->concluded) return;
    const std::string& key = std::get<wire::Find>(asked.question).key;
    bool another = found.job && *found.job != *asked.about;
    if (!another) return refuse(*asked.about, *entry, asked.refusal);
    refuse(*asked.about, *entry,
           found.busy ? busy_text(*found.job, key)
                      : "another client has just submitted job " + to_string(*found.job) +
                            " with the key '" + key + "'; the same command again finds it");
}

std::string busy_text(const JobId& job, const std::string& key) {
    return "another client is submitting job " + to_string(job) + " with the key '" + key +
           "'; wait for its end, or use another key";
}

}  // namespace fanfold::scatterer
