// The loop of a thread that waits for sockets and descriptors. A Loop and its sockets belong to one
// thread; stop() may be called from any.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>
#include <vector>
#include <zmq.hpp>

#include "shared/base/ids.hpp"
#include "shared/base/wakeup.hpp"

namespace fanfold::net {

/// Polls sockets and descriptors, calls back, and ticks.
class Loop {
public:
    using Callback = std::function<void()>;

    void watch(zmq::socket_t& socket, Callback on_input);
    void watch(int fd, Callback on_input);
    void forget(zmq::socket_t& socket);

    /// Until stop(): waits for input, or until `next_wakeup` says (limits::longest_sleep at most),
    /// calls back, then `on_tick`.
    void run(const std::function<Time()>& next_wakeup, const Callback& on_tick);
    /// One turn of that: waits, and calls back; false once it is stopped.
    bool turn(Time until);
    /// From any thread, or from a callback.
    void stop();

    static Time now() { return std::chrono::steady_clock::now(); }

private:
    struct Entry {
        void* socket = nullptr;
        int fd = -1;
        Callback on_input;
    };
    std::vector<Entry> entries_;
    std::vector<pollfd> items_;  // of a turn, as is what follows
    std::vector<Callback> ready_;
    Wakeup stop_;
};

}  // namespace fanfold::net
