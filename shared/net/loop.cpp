#include "shared/net/loop.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "shared/events/idling.hpp"
#include "shared/net/awake.hpp"

namespace fanfold::net {

namespace {
int number_of(void* socket, int option) {
    int number = 0;
    std::size_t size = sizeof number;
    while (zmq_getsockopt(socket, option, &number, &size) != 0)
        if (zmq_errno() != EINTR) throw zmq::error_t();
    return number;
}
}  // namespace

void Loop::watch(zmq::socket_t& socket, Callback on_input) {
    entries_.push_back({socket.handle(), -1, std::move(on_input)});
}
void Loop::watch(int fd, Callback on_input) {
    entries_.push_back({nullptr, fd, std::move(on_input)});
}
void Loop::forget(zmq::socket_t& socket) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.socket == socket.handle(); });
}

void Loop::run(const std::function<Time()>& next_wakeup, const Callback& on_tick) {
    while (turn(next_wakeup())) on_tick();
}

// As zmq_poll, with half of its system calls: a socket is asked for its events before the wait, and
// its descriptor tells of news after that. (The descriptor alone is not enough: any call on a
// socket may take its signal away.)
bool Loop::turn(Time until) {
    using std::chrono::ceil, std::chrono::milliseconds;
    items_.assign(1, {stop_.fd(), POLLIN, 0});
    bool waits = true;
    for (const Entry& entry : entries_) {
        bool has_input = entry.socket && (number_of(entry.socket, ZMQ_EVENTS) & ZMQ_POLLIN) != 0;
        int fd = entry.socket ? number_of(entry.socket, ZMQ_FD) : entry.fd;
        items_.push_back({has_input ? -1 : fd, POLLIN, 0});
        waits = waits && !has_input;
    }
    auto wait = std::clamp(ceil<milliseconds>(until - now()), milliseconds(0),
                           ceil<milliseconds>(limits::longest_sleep));
    if (poll_awake(items_, waits ? static_cast<int>(wait.count()) : 0) < 0) {
        if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
        return true;
    }
    if (items_[0].revents != 0) return false;
    // A callback may watch and forget, so those to call are gathered first.
    ready_.clear();
    for (std::size_t i = 1; i < items_.size(); ++i)
        if (items_[i].revents != 0 || items_[i].fd < 0) ready_.push_back(entries_[i - 1].on_input);
    for (const Callback& callback : ready_) callback();
    return true;
}

void Loop::stop() { stop_.wake(); }

}  // namespace fanfold::net
