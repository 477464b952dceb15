// The worker's shell: its sockets, its executors and its thread of control around the core. Made
// and run on one thread; stop() may be called from any.
//
// While it runs, everything in it belongs to the thread that leads (leaders.hpp), which runs tasks
// that are known to be short itself, between two turns of the loop. A handler that keeps it loses
// it the lead, so heartbeats come from a thread that no handler holds up.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "shared/base/mailbox.hpp"
#include "shared/net/loop.hpp"
#include "shared/net/parts.hpp"
#include "shared/program/signal_source.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/keys.hpp"
#include "shared/wire/packing.hpp"
#include "worker/abilities.hpp"
#include "worker/core/core.hpp"
#include "worker/executor.hpp"
#include "worker/handlers/functions.hpp"
#include "worker/leaders.hpp"

namespace fanfold::worker {

struct ShellOptions {
    std::string broker{};  // its control endpoint
    std::string name{};
    std::uint32_t slots = 1;
    std::uint32_t spare_slots = 0;  // as the core's
    FunctionTable functions;
    std::uint64_t max_output = limits::output_bytes;
    Abilities abilities = {};
    std::optional<Keys> keys = {};
    Containment containment = {};
    std::string check = {};                        // as the executors'
    Duration close_patience = limits::kill_grace;  // of the destructor, as Executors' own
    bool short_tasks_lead = true;  // tasks that are known to be short run on the thread that leads
    LogLine log = {};              // what handlers log; empty: the worker's log
};

class Shell {
public:
    /// Connects and starts the executors. Throws StartupError.
    Shell(zmq::context_t& context, ShellOptions options);

    /// Until the worker has left: after stop(), or the first SIGINT or SIGTERM that `signals` (if
    /// any) brings, it finishes what runs and gives the rest back; after the second it leaves at
    /// once. `on_registered` is called once, when the broker has welcomed it. Throws
    /// std::runtime_error when all its slots are stuck, or the broker refuses it.
    void run(SignalSource* signals = nullptr, const std::function<void()>& on_registered = {});
    void stop() { mailbox_.post(Drain{}); }
    /// Ends run() without waiting for what runs.
    void stop_now() { loop_.stop(); }
    /// Once run() has returned: kills commands, cancels handlers, and waits until then for all to
    /// end; false when a handler has not. May be called again.
    bool close(Time until);

private:
    void lead();
    void start(Run run);
    bool run_short_tasks();
    void take_events();
    void step(Event event);
    void step_all(std::deque<Event> events);
    void act_all(std::vector<Action>& actions);
    void act(Action& action);
    void push(PushResults& push);
    void push(PushMark& push);
    void connect();
    struct Gatherer;
    Gatherer* gatherer(const wire::GathererRef& where);
    void forget_gatherer(const std::string& name);
    void forget_handshakes();
    void read_handshakes();
    void read_handshakes(const std::string& gatherer);
    void receive_control();
    void on_signal(SignalSource& signals);

    zmq::context_t& context_;
    ShellOptions options_;
    std::optional<zmq::socket_t> control_;
    net::Parts parts_;                               // of what comes there
    std::optional<net::HandshakeWatch> handshakes_;  // of that, until there is a welcome
    CompressedJobs compressed_;
    struct Gatherer {
        Epoch epoch{};
        std::string public_key{};
        zmq::socket_t socket{};
        std::string endpoint{};
        std::optional<net::HandshakeWatch> handshakes{};  // not over inproc
    };
    std::map<std::string, std::unique_ptr<Gatherer>> gatherers_;  // by name
    Mailbox<Event> mailbox_;
    net::Loop loop_;
    Core core_;
    std::deque<Run> short_tasks_;  // for the end of this turn
    Leaders leaders_;
    std::unique_ptr<Executors>
        executors_;  // ends before the leaders, one of which may be in a handler
    std::function<void()> on_registered_;
    std::string error_;
    bool draining_ = false;
};

}  // namespace fanfold::worker
