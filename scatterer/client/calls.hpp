// What the users' threads ask of the client's thread, and what they are answered: the mailbox, the
// answers to questions, and the state of the session. One mutex; any thread.
//
// Invariant: a call is taken by the client's thread, or its caller hears that the client is closed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "scatterer/core/events.hpp"
#include "shared/base/timer.hpp"
#include "shared/base/wakeup.hpp"

namespace fanfold::scatterer {

struct JobLink;
class Outbox;

struct Call {
    JobId job = {};
    std::vector<Event> events = {};
    std::shared_ptr<JobLink> link = {};  // of the job, where the call is about one
};

class Calls {
public:
    // The users' threads.
    /// Whether it was taken in; not once the calls are closed.
    bool post(Call call);
    /// The outbox is to be looked at in a few milliseconds; the client's thread is not woken
    /// before.
    void look_soon(std::weak_ptr<Outbox> outbox);
    /// Gives the question a number, posts it, and waits for the answer.
    Result<Reply> ask(Question question);
    /// Waits for the first Welcome; an Error when it does not come.
    Result<wire::Welcome> wait_connected();
    /// The latest.
    wire::Welcome welcome() const;
    /// What those are told that still wait when the client ends, if it is not closed by its user.
    /// The first counts.
    void break_off(const std::string& why);
    /// Why no call is taken, or why none will be once the client has ended.
    std::string why_ended() const;

    // The client's thread.
    int fd() const { return wakeup_.fd(); }
    std::vector<Call> take();
    int look_fd() const { return timer_.fd(); }
    std::vector<std::weak_ptr<Outbox>> take_outboxes();
    void answer(std::uint64_t number, Result<Reply> reply);
    void connected(const wire::Welcome& welcome);
    void failed(const std::string& why);
    /// No call is taken any more, and those that wait for an answer are told why. Returns the calls
    /// that were not taken.
    std::vector<Call> close(const std::string& why);

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Wakeup wakeup_;
    std::vector<Call> calls_;
    Timer timer_;  // runs while an outbox is to be looked at
    std::vector<std::weak_ptr<Outbox>> outboxes_;
    std::uint64_t next_question_ = 1;
    std::map<std::uint64_t, std::optional<Result<Reply>>> replies_;  // waited for, by number
    std::optional<wire::Welcome> welcome_;
    std::string failure_;                // why there is no welcome, once that is known
    std::optional<std::string> closed_;  // why no call is taken, once that is so
    std::optional<std::string> broken_;  // why the client is to end
};

}  // namespace fanfold::scatterer
