// The scatterer's shell: the thread that owns the core and the sockets, and the public functions,
// by which any thread calls it. A call goes into a mailbox (calls.hpp); what comes of it goes to
// the job's inbox, or is an answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "scatterer/client/calls.hpp"
#include "scatterer/client/deliveries.hpp"
#include "scatterer/client/outbox.hpp"
#include "scatterer/client/sockets.hpp"
#include "scatterer/core/core.hpp"

namespace fanfold::scatterer {

struct ClientOptions {
    std::string broker{};  // endpoint of its control socket, checked
    std::string name{};    // for logs; empty: process_name()
    Duration connect_timeout = limits::connect_timeout;
    Duration give_up = limits::give_up;
    std::optional<Keys> keys{};
    std::function<void(const std::string&)> on_notice{};
};

class Client {
public:
    /// Starts connecting. The context must live longer. Throws StartupError for an endpoint that
    /// ZeroMQ does not take, and when the system gives no thread.
    Client(zmq::context_t& context, ClientOptions options);
    ~Client() { stop(); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Waits for the first Welcome; an Error when it does not come.
    Result<wire::Welcome> wait_connected() { return calls_.wait_connected(); }
    /// The latest welcome.
    wire::Welcome welcome() const { return calls_.welcome(); }

    /// Calls of a job, by the object that holds it: another link for that job is refused until
    /// CloseJob has come from the first one.
    void post(const JobId& job, std::vector<Event> events, std::shared_ptr<JobLink> link);
    /// Waits for the broker's answer.
    template <class Wanted, class Asked>
    Result<Wanted> ask(Asked asked);
    /// Waits for a report, of which the broker sends a part at a time.
    Result<wire::Report> report(wire::Query query);

    /// The outbox's look() is called in a few milliseconds, and again as long as it says so.
    void look_soon(std::weak_ptr<Outbox> outbox) { calls_.look_soon(std::move(outbox)); }

    /// Ends as stop() does, but whoever waits, and whoever calls later, gets this error. Does not
    /// wait. Any thread.
    void break_off(const std::string& why);

    /// Says goodbye, closes the sockets and ends the thread. Whoever still waits gets an error.
    /// Idempotent; by one thread at a time.
    void stop();

private:
    void run();
    void end(const std::string& why);
    void take_calls();
    void take(Call& call);
    void look();
    void step(Event event);
    void act(Action& action);

    const ClientOptions options_;
    Calls calls_;
    net::Loop loop_;
    Core core_;
    Sockets sockets_;
    Deliveries deliveries_;
    std::vector<Action> actions_;
    std::thread thread_;
};

template <class Wanted, class Asked>
Result<Wanted> Client::ask(Asked asked) {
    auto reply = calls_.ask(std::move(asked));
    if (!reply) return fail(reply.error().text);
    if (auto* wanted = std::get_if<Wanted>(&*reply)) return std::move(*wanted);
    return fail("the broker at " + options_.broker +
                " has answered another question than was asked");
}

}  // namespace fanfold::scatterer
