// The broker's shell: its two sockets and its thread of control around the core.
// Made and run on one thread; stop() may be called from any.
#pragma once

#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "broker/core/core.hpp"
#include "shared/net/backlog.hpp"
#include "shared/net/loop.hpp"
#include "shared/net/parts.hpp"
#include "shared/program/signals.hpp"
#include "shared/security/gatekeeper.hpp"
#include "shared/security/secured_sockets.hpp"
#include "shared/store/journal.hpp"
#include "shared/wire/packing.hpp"

namespace fanfold::broker {

struct ShellOptions {
    std::vector<std::string>
        bind{};  // control endpoints; the blocks' socket takes the neighbour of each (port + 1)
    std::string advertise{};  // as which peers reach the last of them; empty: as bound
    Duration worker_timeout = limits::peer_timeout;
    std::uint32_t crash_limit = limits::crash_limit;
    bool fixed_fleet = false;
    std::uint64_t memory_bytes = limits::broker_memory_bytes;
    bool relays = true;  // results of workers that can't reach their gatherer are passed on
    Duration keep = limits::keep_ended;
    UserLimits user_limits{};
    std::string state{};           // folder of its store; empty: all is in memory
    net::Protection protection{};  // of its sockets
    std::string keys{};  // with a gatekeeper: the folder with the file of allowed keys; empty: its
                         // table stays as it is
};

class Shell {
public:
    /// Opens the store, binds. Throws StartupError.
    Shell(zmq::context_t& context, const ShellOptions& options);

    /// The control endpoints, wildcards resolved.
    const std::vector<std::string>& endpoints() const { return control_endpoints_; }

    /// Until stop(), or until `signals` (if any) brings SIGINT or SIGTERM. At SIGHUP the log's
    /// file is opened anew and the allowed keys are read again.
    void run(SignalReader* signals = nullptr);
    void stop() { loop_.stop(); }

private:
    void take(Event event);
    void step(Event event);
    void act(Action& action);
    void send(Send& send);
    void tell_of_gone();
    void read_journal();
    void on_signal(SignalReader& signals);
    void read_keys_again();
    void let_in(KeysChanged allowed);

    net::Gatekeeper* gatekeeper_;
    std::string keys_;
    Journal journal_;
    std::vector<std::string> control_endpoints_;
    std::vector<std::string> blocks_endpoints_;
    net::BoundSocket control_;
    net::BoundSocket blocks_;
    net::Loop loop_;
    Core core_;
    net::Backlog backlog_;          // of control
    net::Parts parts_;              // of what comes there
    std::vector<Unroutable> gone_;  // found while sending
    CompressedJobs compressed_;
};

}  // namespace fanfold::broker
