#include "scatterer/client/calls.hpp"

#include <type_traits>
#include <utility>
#include <variant>

#include "scatterer/limits.hpp"

namespace fanfold::scatterer {

namespace {
/// A Query, a Find and a Drain bear their number themselves.
void number(Question& question, std::uint64_t number) {
    std::visit(
        [&](auto& message) {
            if constexpr (requires { message.number; }) message.number = number;
        },
        question);
}
}  // namespace

bool Calls::post(Call call) {
    bool wakes;
    {
        std::lock_guard lock(mutex_);
        if (closed_) return false;
        wakes = calls_.empty();
        calls_.push_back(std::move(call));
    }
    if (wakes) wakeup_.wake();
    return true;
}

void Calls::look_soon(std::weak_ptr<Outbox> outbox) {
    std::lock_guard lock(mutex_);
    if (outboxes_.empty()) timer_.start(limits::look_after);
    outboxes_.push_back(std::move(outbox));
}

std::vector<std::weak_ptr<Outbox>> Calls::take_outboxes() {
    std::lock_guard lock(mutex_);
    timer_.clear();
    return std::exchange(outboxes_, {});
}

std::vector<Call> Calls::take() {
    wakeup_.clear();
    std::lock_guard lock(mutex_);
    return std::exchange(calls_, {});
}

Result<Reply> Calls::ask(Question question) {
    std::unique_lock lock(mutex_);
    if (closed_) return fail(*closed_);
    std::uint64_t own = next_question_++;
    auto reply = replies_.try_emplace(own).first;
    lock.unlock();
    number(question, own);
    Call call;
    call.events.emplace_back(Ask{own, std::move(question)});
    (void)post(std::move(call));  // close() answers as well
    lock.lock();
    changed_.wait(lock, [&] { return reply->second.has_value(); });
    Result<Reply> answer = std::move(*reply->second);
    replies_.erase(reply);
    return answer;
}

void Calls::answer(std::uint64_t number, Result<Reply> reply) {
    {
        std::lock_guard lock(mutex_);
        auto waiting = replies_.find(number);
        if (waiting == replies_.end()) return;
        waiting->second = std::move(reply);
    }
    changed_.notify_all();
}

Result<wire::Welcome> Calls::wait_connected() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return welcome_ || !failure_.empty(); });
    if (welcome_) return *welcome_;
    return fail(failure_);
}

wire::Welcome Calls::welcome() const {
    std::lock_guard lock(mutex_);
    return welcome_.value_or(wire::Welcome{});
}

void Calls::break_off(const std::string& why) {
    std::lock_guard lock(mutex_);
    if (!broken_) broken_ = why;
}

std::string Calls::why_ended() const {
    std::lock_guard lock(mutex_);
    if (closed_) return *closed_;
    return broken_.value_or("the scatterer was closed");
}

void Calls::connected(const wire::Welcome& welcome) {
    {
        std::lock_guard lock(mutex_);
        welcome_ = welcome;
    }
    changed_.notify_all();
}

void Calls::failed(const std::string& why) {
    {
        std::lock_guard lock(mutex_);
        failure_ = why;
    }
    changed_.notify_all();
}

std::vector<Call> Calls::close(const std::string& why) {
    std::vector<Call> rest;
    {
        std::lock_guard lock(mutex_);
        closed_ = why;
        if (failure_.empty()) failure_ = why;
        for (auto& [number, reply] : replies_)
            if (!reply) reply = fail(why);
        rest = std::exchange(calls_, {});
    }
    changed_.notify_all();
    return rest;
}

}  // namespace fanfold::scatterer
