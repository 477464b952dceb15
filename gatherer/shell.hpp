// The gatherer's shell: its sockets and its thread of control around the core.
// Made and run on one thread; stop() may be called from any.
#pragma once

#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "gatherer/core/core.hpp"
#include "shared/net/backlog.hpp"
#include "shared/net/loop.hpp"
#include "shared/net/parts.hpp"
#include "shared/program/signals.hpp"
#include "shared/security/gatekeeper.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/keys.hpp"
#include "shared/security/secured_sockets.hpp"
#include "shared/store/journal.hpp"

namespace fanfold::gatherer {

struct ShellOptions {
    std::string broker{};             // the broker's control endpoint
    std::vector<std::string> bind{};  // of the socket for results; the one for collectors takes the
                                      // neighbour of each (port + 1)
    std::string advertise{};          // as which peers reach the last of them; empty: as bound
    std::string name{};               // empty: one of its own, kept in the folder of its state
    std::uint64_t memory_bytes = limits::gatherer_memory_bytes;
    Duration keep = limits::keep_ended;  // of jobs that no broker knows any more
    std::string state;  // the folder in which its jobs are kept; empty: in memory alone
    net::Protection
        protection{};            // of its sockets; the table of a gatekeeper comes from the broker
    std::optional<Keys> keys{};  // by which it connects to the broker
};

class Shell {
public:
    /// Opens the store, binds and connects. Throws StartupError.
    Shell(zmq::context_t& context, const ShellOptions& options);

    /// The endpoints for results, wildcards resolved.
    const std::vector<std::string>& endpoints() const { return results_endpoints_; }

    /// Until stop(), or until `signals` (if any) brings SIGINT or SIGTERM.
    void run(SignalReader* signals = nullptr);
    void stop() { loop_.stop(); }

private:
    std::string own_name() const;
    Options core_options() const;
    void read_state();
    void step(Event event);
    void perform(Action& action);
    void say(Send send);
    void read_journal();
    void connect();
    void forget_handshakes();
    void read_handshakes();
    void receive_control();

    zmq::context_t& context_;
    ShellOptions options_;
    std::vector<std::string> results_endpoints_;
    std::vector<std::string> collect_endpoints_;
    net::BoundSocket results_;
    net::BoundSocket collect_;
    std::optional<zmq::socket_t> control_;
    net::Parts parts_;                               // of what comes there
    std::optional<net::HandshakeWatch> handshakes_;  // of that, until there is a welcome
    std::uint64_t connection_ =
        0;  // to the broker, counted: what was to be said on an earlier one is not said on a later
    net::Backlog backlog_;          // of collectors
    std::vector<Unroutable> gone_;  // collectors, not yet told to the core
    net::Loop loop_;
    Journal journal_;
    Core core_;
};

}  // namespace fanfold::gatherer
