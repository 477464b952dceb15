// The gatekeeper of a context: libzmq asks it, for each CURVE handshake at a bound socket, whether
// this public key may connect (ZAP, RFC 27). It also says whose a connection is. It answers on a
// thread of its own; its methods may be called from any.
//
// It is made before any socket of the context, so that from the first one on nobody gets in but by
// it. While it has no table yet, every key is asked to come again; once it has one, a key that is
// not in the table is refused for good.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "shared/base/mailbox.hpp"
#include "shared/base/token_bucket.hpp"
#include "shared/net/loop.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/arrivals.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::net {

class Gatekeeper {
public:
    struct Options {
        KeyPair own{};               // of all bound sockets
        const char* component = "";  // for the log
        bool inproc_is_trusted =
            false;  // connections over inproc carry no key: they are this program's own
    };
    /// Throws StartupError where there is no CURVE, or the context has a gatekeeper already.
    Gatekeeper(zmq::context_t& context, Options options);
    ~Gatekeeper();
    Gatekeeper(const Gatekeeper&) = delete;
    Gatekeeper& operator=(const Gatekeeper&) = delete;

    const KeyPair& own() const { return options_.own; }
    /// Connections that this monitor of a bound socket tells of have limits until they have proved
    /// a key.
    void watch(zmq::socket_t monitor) { monitors_to_watch_.post(std::move(monitor)); }
    /// From now on these keys are let in, and no others.
    void replace(const std::vector<wire::AllowedKey>& keys);
    /// Whose connection a message came by, which has this user id: its public key, or for inproc an
    /// empty one. Nothing when the key is not in the table any more.
    std::optional<Sender> sender_of(const std::string& user_id) const;
    /// Whose a message is, if that one may send it. Bytes that are no message are anybody's whose
    /// key is known.
    tl::expected<Sender, Denied> admit(const Incoming& incoming) const;
    /// The next refusal of this key is not worth a line in the log.
    void expect(const std::string& public_key);
    std::uint64_t refused() const;

private:
    enum class Verdict : std::uint8_t { known, unknown, too_early };
    void run();
    void take_monitors();
    void answer();
    Verdict judge(const std::string& public_key, const std::string& address);
    void log_refusal(const std::string& public_key, const std::string& address);

    Options options_;
    zmq::socket_t socket_;
    Loop loop_;
    mutable std::mutex mutex_;  // of the table, and what is counted
    std::optional<std::map<std::string, Sender>> table_;
    std::set<std::string> expected_;
    std::uint64_t refused_ = 0;
    TokenBucket lines_;  // of refusals, in the log
    Mailbox<zmq::socket_t> monitors_to_watch_;
    std::deque<zmq::socket_t> monitors_;  // this and what follows belongs to its thread
    Arrivals arrivals_;
    std::thread thread_;
};

}  // namespace fanfold::net
