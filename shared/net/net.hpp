// The thin layer between shells and ZeroMQ: sockets with our defaults, messages in and out,
// endpoints, a poll loop with mailboxes. A Loop and its sockets belong to one thread; Mailbox::post
// and Loop::stop may be called from any.
#pragma once

#include <poll.h>
#include <signal.h>

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "shared/base/result.hpp"
#include "shared/events/events.hpp"

namespace fanfold {
struct KeyPair;
}

namespace fanfold::net {

class Backlog;
class Gatekeeper;
class HandshakeWatch;

/// A routing id for one life of a connection: its kind's letter (c, w, g) and eleven random letters
/// and digits.
PeerId random_peer_id(char kind);
std::uint64_t random_number();
std::chrono::microseconds microseconds_since_1970();

/// Raises malloc's thresholds, so that large messages don't map and unmap memory each time. Once,
/// at a program's start.
void tune_memory();
/// For programs that hold much, handed from thread to thread: what one thread frees, another uses.
/// Else each thread's heap keeps the most that it ever held. Before any other thread.
void share_one_heap();

// --- endpoints
// ------------------------------------------------------------------------------------------------

/// An inproc endpoint that only this process can use: it carries a token drawn at its start.
std::string inproc_endpoint(const std::string& name);

/// Checks the form of an endpoint that a user gave (tcp://HOST:PORT, ipc://PATH, inproc://NAME);
/// `option` names it in the error. tcp may have the port `*` or `0` when it is for binding.
Result<void> check_endpoint(const std::string& endpoint, const std::string& option,
                            bool for_binding);

/// The same host with the port `offset` higher; ipc and inproc get "-offset" behind them; a
/// wildcard port stays one.
std::string neighbour_endpoint(const std::string& endpoint, int offset);
std::vector<std::string> neighbour_endpoints(const std::vector<std::string>& endpoints, int offset);

/// A Result that must be a success: throws its error as StartupError.
void require(const Result<void>& result);
template <class T>
T require(Result<T> result) {
    if (!result) throw StartupError(result.error().text);
    return *std::move(result);
}

/// As what peers are told of a socket bound to `bound`, the neighbour by `offset` of the one that
/// the user gave as `bind`: as bound, or as the user says with --advertise (whose ports follow
/// those of --bind, unless that has a wildcard port: then those that were drawn).
std::string advertised(const std::string& bind, const std::string& bound,
                       const std::string& advertise, int offset);

/// A tcp endpoint bound to all addresses, as other hosts reach it: by this host's name. Any other
/// as it is.
std::string with_host_name(const std::string& endpoint);

/// A tcp endpoint's host and port, as they are written; nothing for any other.
struct TcpAddress {
    std::string host;
    std::string port;
};
std::optional<TcpAddress> tcp_address(const std::string& endpoint);
/// Whether a host stands for all addresses.
bool binds_all(const std::string& host);
/// Whether an endpoint is reached from this host alone: ipc, inproc, and tcp on a loopback address.
bool is_local(const std::string& endpoint);

/// The one of the endpoints that this process should use: its own inproc, else ipc at which
/// somebody listens on this host, else tcp, else ipc of this host. A tcp endpoint bound to all
/// addresses (0.0.0.0) gets the host of `via`, the broker's endpoint that this process uses. Empty
/// when none serves.
std::string choose_endpoint(const std::vector<std::string>& endpoints, const std::string& via);

// --- sockets
// --------------------------------------------------------------------------------------------------

/// What a bound socket asks of those who connect.
struct Protection {
    Gatekeeper* gatekeeper =
        nullptr;            // CURVE, and a key that it knows; nothing: the socket is plain,
    bool insecure = false;  // also where other hosts reach it
};
/// What a connecting socket proves, and of whom it wants proof.
struct Proof {
    const KeyPair* own =
        nullptr;  // CURVE by this key; nothing: the connection is plain. Over inproc it always is
    std::string server{};  // the public key that the other side must have
    /// Watches from then on.
    std::optional<HandshakeWatch>* watch = nullptr;
};

/// Binds one socket to all the endpoints; `bound` receives them with wildcards resolved. With a
/// gatekeeper it is proved that an unknown key is refused. Throws StartupError naming the endpoint,
/// the reason, and `option` as the way out.
zmq::socket_t bind(zmq::context_t& context, zmq::socket_type type,
                   const std::vector<std::string>& endpoints, const std::string& option,
                   std::vector<std::string>& bound, const Protection& protection = {});
/// A connecting socket; with a routing id for a DEALER, whose first letter becomes a capital unless
/// the connection is over tcp. A tcp endpoint that has a twin (twin.hpp) is reached by that. Throws
/// StartupError for an endpoint that ZeroMQ does not take.
zmq::socket_t connect(zmq::context_t& context, zmq::socket_type type, const std::string& endpoint,
                      const PeerId& self = {}, const Proof& proof = {});

/// `unread`: so much waits for the peer already that nothing is sent to it until it reads.
enum class Sent : std::uint8_t { yes, would_block, unroutable, unread };
/// On a DEALER or PUSH. Never blocks. With `compress` the body travels compressed (packing.hpp)
/// where that makes it smaller, over tcp.
Sent send(zmq::socket_t& socket, const wire::Message& message, const Slice& body = {},
          bool compress = false);
/// On a ROUTER, to one peer. Never blocks. `compress` as above; a peer whose routing id begins with
/// a capital is not on tcp.
Sent send_to(zmq::socket_t& socket, Backlog& backlog, const PeerId& peer,
             const wire::Message& message, const Slice& body = {}, bool compress = false);

struct Incoming {
    PeerId from;  // of a ROUTER; else empty
    Result<wire::Message> message;
    Slice body;
    std::string user_id{};  // of a socket with a gatekeeper, who knows whose it is
    std::size_t header_bytes = 0;
    bool ignored = false;  // and so not read: there is no message
};
/// Whether a message is to be dropped unread, by who sent it: decoding costs far more than
/// receiving.
using Ignores = std::function<bool(const PeerId& from, const std::string& user_id)>;
/// The next message, if there is one now.
std::optional<Incoming> receive(zmq::socket_t& socket, const Ignores& ignores = {});

// --- the loop
// -------------------------------------------------------------------------------------------------

/// Wakes a poll from another thread.
class Wakeup {
public:
    Wakeup();
    ~Wakeup();
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;
    void wake();
    void clear();
    int fd() const { return fd_; }

private:
    int fd_;
};

/// What other threads leave for a loop's thread.
template <class T>
class Mailbox {
public:
    void post(T item) {
        bool wakes;
        {
            std::lock_guard lock(mutex_);
            wakes = items_.empty() && attendant_ != std::this_thread::get_id();
            items_.push_back(std::move(item));
        }
        if (wakes) wakeup_.wake();
    }
    std::deque<T> take() {
        wakeup_.clear();
        return take_unwoken();
    }
    /// The calling thread posts for itself: it is not woken for that, but somebody takes unwoken
    /// afterwards.
    void attend() {
        std::lock_guard lock(mutex_);
        attendant_ = std::this_thread::get_id();
    }
    std::deque<T> take_unwoken() {
        std::lock_guard lock(mutex_);
        attendant_ = {};
        return std::exchange(items_, {});
    }
    int fd() const { return wakeup_.fd(); }

private:
    std::mutex mutex_;
    std::deque<T> items_;
    std::thread::id attendant_;
    Wakeup wakeup_;
};

/// Polls sockets and descriptors, calls back, and ticks.
class Loop {
public:
    using Callback = std::function<void()>;

    void watch(zmq::socket_t& socket, Callback on_input);
    void watch(int fd, Callback on_input);
    void forget(zmq::socket_t& socket);

    /// Until stop(): waits for input, or until `next_wakeup` says (longest_sleep at most), calls
    /// back, then `on_tick`.
    void run(const std::function<Time()>& next_wakeup, const Callback& on_tick);
    /// One turn of that: waits, and calls back; false once it is stopped. Turns may be taken by one
    /// thread after another, but what orders them is the caller's business.
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

/// Reads SIGINT and SIGTERM from a descriptor instead of being interrupted. Made before any thread
/// starts, so that all block them.
class SignalReader {
public:
    SignalReader();
    /// This signal as well. Also before any thread starts.
    void also(int signal);
    ~SignalReader();
    SignalReader(const SignalReader&) = delete;
    SignalReader& operator=(const SignalReader&) = delete;
    int fd() const { return fd_; }
    /// The signal that came, or 0.
    int read();

private:
    void apply();

    sigset_t signals_{};
    int fd_ = -1;
};

}  // namespace fanfold::net
