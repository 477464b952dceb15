// Who carries out calls, reads the sockets and looks at outboxes, on which thread; and the end.
#include <pthread.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "scatterer/client/client.hpp"
#include "shared/log/logging.hpp"

namespace fanfold::scatterer {

namespace {
constexpr int goodbye_milliseconds = 500;  // for what is still to be sent at the end
}  // namespace

// --- the loop, on whichever thread
// ---------------------------------------------------------------------------

bool Client::mail_waits() {
    std::lock_guard lock(mail_mutex_);
    return !mail_.empty();
}

/// Carries out the calls that wait, unless another thread has the baton: that one will.
void Client::help() {
    while (mail_waits()) {
        std::unique_lock baton(baton_, std::try_to_lock);
        if (!baton) return;
        attempt([this] {
            read_mailbox();
            read_sockets(false);
        });
        give_back(baton);
    }
}

/// Reads what is there, unless another thread does.
void Client::look() {
    {
        std::unique_lock baton(baton_, std::try_to_lock);
        if (!baton) return;
        attempt([this] {
            read_mailbox();
            read_sockets(true);
        });
        give_back(baton);
    }
    help();
}

/// By one who does not lead: the leader is told of what it can't know.
void Client::give_back(std::unique_lock<std::mutex>& baton) {
    bool wake = !over_ && (descriptors_changed_ || unread() || core_.next_wakeup() < leader_until_);
    auto changed = std::exchange(to_tell_, {});
    baton.unlock();
    if (wake) leadership_.wake_leader();
    for (const auto& one : changed) leadership_.tell(*one);
}

Time Client::turn(std::vector<pollfd>& items) {
    look_at_outboxes();
    items.clear();
    std::unique_lock baton(baton_);
    attempt([this] {
        read_mailbox();
        read_sockets(true);
        step(Tick{});
    });
    if (!over_) list_descriptors(items);
    descriptors_changed_ = false;
    leader_until_ = over_ ? Time::max() : unread() ? Time::min() : core_.next_wakeup();
    Time until = leader_until_;
    auto changed = std::exchange(to_tell_, {});
    baton.unlock();
    for (const auto& one : changed) leadership_.tell(*one);
    return mail_waits() ? Time::min() : until;
}

template <class Work>
void Client::attempt(Work work) {
    if (over_) return;
    try {
        work();
    } catch (const std::exception& error) {
        broken_ = std::string("the scatterer's connection broke: ") + error.what();
        over_ = true;
        leadership_.stop();
    }
}

void Client::list_descriptors(std::vector<pollfd>& items) {
    auto watch = [&](int fd) { items.push_back({.fd = fd, .events = POLLIN, .revents = 0}); };
    watch(look_timer_);
    watch(control_.get(zmq::sockopt::fd));
    if (handshakes_) watch(handshakes_->socket().get(zmq::sockopt::fd));
    for (auto& [name, gatherer] : gatherers_)
        if (gatherer) watch(gatherer->socket.get(zmq::sockopt::fd));
}

void Client::look_at_outboxes() {
    if (!looks_armed_) return;
    std::vector<std::weak_ptr<Outbox>> outboxes;
    {
        std::lock_guard lock(outboxes_mutex_);
        if (!looks_armed_ || net::Loop::now() < looks_at_) return;
        std::uint64_t times = 0;
        (void)!read(look_timer_, &times, sizeof times);
        looks_armed_ = false;
        outboxes.swap(outboxes_);
    }
    std::erase_if(outboxes, [](const auto& one) {
        auto outbox = one.lock();
        return !outbox || !outbox->look();
    });
    if (outboxes.empty()) return;
    std::lock_guard lock(outboxes_mutex_);
    outboxes_.insert(outboxes_.end(), outboxes.begin(), outboxes.end());
    arm_looks();
}

// --- the client's own thread
// ---------------------------------------------------------------------------------

void Client::run() {
    pthread_setname_np(pthread_self(), "fanfold-client");
    leadership_.guard();
    std::unique_lock baton(baton_);
    attempt([this] { leave(); });
    over_ = true;
    handshakes_.reset();
    control_.close();
    blocks_.close();
    gatherers_.clear();
    std::string why = broken_.empty() ? closed_text : broken_;
    {
        std::lock_guard lock(state_mutex_);
        if (failure_.empty()) failure_ = why;
    }
    refuse_all(why);
    auto changed = std::exchange(to_tell_, {});
    baton.unlock();
    leadership_.tell(state_changed_);
    for (const auto& one : changed) leadership_.tell(*one);
}

void Client::leave() {
    read_mailbox();
    step(Leave{});
    bool connected = blocks_.handle() != nullptr;
    control_.set(zmq::sockopt::linger, connected ? goodbye_milliseconds : 0);
    if (connected) blocks_.set(zmq::sockopt::linger, goodbye_milliseconds);
    for (auto& [name, gatherer] : gatherers_)
        if (gatherer) gatherer->socket.set(zmq::sockopt::linger, goodbye_milliseconds);
}

/// Nobody may wait for an answer that can't come.
void Client::refuse_all(const std::string& why) {
    auto refuse = [&](JobLink& link) {
        link.inbox->refuse(why);
        tell_later(link);
        if (link.outbox) link.outbox->stop(why, Outbox::Stop::refused);
    };
    std::deque<Call> calls;
    {
        std::lock_guard lock(mail_mutex_);
        closed_ = true;
        calls.swap(mail_);
    }
    for (Call& call : calls) {
        if (call.link) refuse(*call.link);
        if (call.answering) answer(call.answering, fail(why));
    }
    for (auto& [job, link] : links_) refuse(*link);
    for (auto& [number, answering] : answers_) answer(answering, fail(why));
    links_.clear();
    answers_.clear();
}

/// Notices are for the user's function, which may call in here.
void Client::run_errands() {
    std::vector<UserNotice> notices;
    {
        std::lock_guard lock(notices_mutex_);
        notices.swap(notices_);
    }
    for (const UserNotice& notice : notices) {
        try {
            notice.link->on_notice(notice.text);
        } catch (const std::exception& error) {
            write_log("client", {.level = Level::error,
                                 .what = "on_notice threw",
                                 .job = notice.job,
                                 .detail = error.what()});
        }
    }
}

}  // namespace fanfold::scatterer
