// The composition: broker, gatherer and worker on threads of their own, a scatterer connected to
// them, all over inproc.
#include "fanfold/embedded.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "broker/shell.hpp"
#include "gatherer/shell.hpp"
#include "scatterer/api/embedded_host.hpp"
#include "scatterer/api/holding.hpp"
#include "scatterer/api/scatterer_state.hpp"
#include "scatterer/limits.hpp"
#include "shared/base/birth_process.hpp"
#include "shared/base/duration.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/security/gatekeeper.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/keys.hpp"
#include "shared/security/secured_sockets.hpp"
#include "worker/guardian/guardians.hpp"
#include "worker/shell.hpp"

namespace fanfold {

namespace {
/// Each fleet of this process has endpoints of its own.
std::string next_fleet_name() {
    static std::atomic<unsigned> number{0};
    return "fleet" + std::to_string(++number);
}

Time in(std::chrono::milliseconds patience) {
    using std::chrono::duration_cast, std::chrono::milliseconds;
    const Time now = std::chrono::steady_clock::now();
    return patience < duration_cast<milliseconds>(Time::max() - now) ? now + patience : Time::max();
}
}  // namespace

struct Embedded::State {
    EmbeddedOptions options;
    worker::FunctionTable functions;
    std::string name = next_fleet_name();
    std::string endpoint;
    std::unique_ptr<zmq::context_t> context;
    std::unique_ptr<net::Gatekeeper> gatekeeper;
    std::unique_ptr<EmbeddedHost<broker::Shell>> broker;
    std::unique_ptr<EmbeddedHost<gatherer::Shell>> gatherer;
    std::unique_ptr<EmbeddedHost<worker::Shell>> worker;
    BirthProcess birth;                // once it has started
    std::atomic<bool> started{false};  // since then its threads are in one process
    std::mutex starting;               // of what follows: threads may ask for it at the same time
    std::unique_ptr<Scatterer> scatterer;
    bool closed = false;
    std::mutex losing;  // of what follows: each component's thread may end by an error
    std::string lost;   // which component has ended, and why
    std::shared_ptr<scatterer::Client> client;  // of the scatterer

    ~State() {
        if (!closed) end(Time::max());
        release();
    }

    bool is_forked() const { return started && !birth.is_this(); }

    void check_process() const {
        if (is_forked()) throw FanfoldError(scatterer::forked_text("embedded fleet"));
    }

    void start() {
        birth = {};
        started = true;
        try {
            context = std::make_unique<zmq::context_t>(1);
            post_gatekeeper();
            start_broker();
            start_gatherer();
            start_worker();
            connect();
        } catch (const std::exception& error) {
            end(Time::max());
            release();
            throw FanfoldError(error.what());
        }
    }

    std::string control() const { return net::inproc_endpoint(name); }

    std::vector<std::string> endpoints(const std::string& socket, const std::string& tcp) const {
        std::vector<std::string> all{net::inproc_endpoint(name + socket)};
        if (!tcp.empty()) all.push_back(tcp);
        return all;
    }

    /// What is bound besides inproc is closed to whom the keys don't name.
    void post_gatekeeper() {
        std::string keys = options.bind.empty() ? "" : keys_folder(options.keys);
        if (keys.empty()) return;
        gatekeeper = std::make_unique<net::Gatekeeper>(
            *context, net::Gatekeeper::Options{.own = require(load_identity(keys)),
                                               .component = "embedded",
                                               .inproc_is_trusted = true});
        gatekeeper->replace(require(load_allowed(keys)).keys);
    }

    net::Protection protection() const {
        return {.gatekeeper = gatekeeper.get(), .insecure = options.insecure};
    }

    void start_broker() {
        if (!options.bind.empty()) require(net::check_endpoint(options.bind, "bind", true));
        net::warn_if_open("embedded", protection(), {options.bind});
        broker::ShellOptions shell{.bind = endpoints("", options.bind),
                                   .advertise = options.advertise,
                                   .fixed_fleet = options.bind.empty(),
                                   .protection = protection(),
                                   .keys = gatekeeper ? keys_folder(options.keys) : ""};
        broker = host<broker::Shell>("broker", shell, [](auto& running) { running.run(); });
        if (!options.bind.empty()) endpoint = (**broker).endpoints().back();
    }

    void start_gatherer() {
        // Remote workers push to the gatherer: it listens where the broker does, on the ports after
        // the broker's two.
        std::string bind = options.bind.empty() ? "" : net::neighbour_endpoint(options.bind, 2);
        std::string advertise =
            options.advertise.empty() ? "" : net::neighbour_endpoint(options.advertise, 2);
        gatherer::ShellOptions shell{.broker = control(),
                                     .bind = endpoints("-results", bind),
                                     .advertise = advertise,
                                     .name = name,
                                     .memory_bytes = options.memory,
                                     .state = {},
                                     .protection = protection()};
        gatherer = host<gatherer::Shell>("gatherer", shell, [](auto& running) { running.run(); });
    }

    void start_worker() {
        worker::ShellOptions shell{
            .broker = control(),
            .name = "embedded",
            .slots = options.slots,
            .functions = functions,
            .max_output = options.max_output,
            .containment = {.own_folders = options.fresh_folders, .grace_at_end = true},
            .close_patience = {},
            .log = options.on_log};
        if (shell.slots == 0) shell.slots = std::max(1u, std::thread::hardware_concurrency());
        shell.slots = std::min(shell.slots, limits::slots);
        shell.spare_slots = shell.slots;
        shell.short_tasks_lead = shell.slots > 1;
        if (shell.max_output == 0) shell.max_output = limits::output_bytes;
        std::promise<void> registered;
        auto is_registered = registered.get_future();
        worker = host<worker::Shell>("worker", shell, welcomed_by(std::move(registered)));
        if (is_registered.wait_for(scatterer::limits::embedded_start) != std::future_status::ready)
            throw StartupError("the fleet's worker has had no welcome of its broker in " +
                               to_string(scatterer::limits::embedded_start));
        is_registered.get();
    }

    /// Runs a worker. The promise is kept when the broker has welcomed it, and broken when it ends
    /// before.
    static std::function<void(worker::Shell&)> welcomed_by(std::promise<void> registered) {
        auto promise = std::make_shared<std::optional<std::promise<void>>>(std::move(registered));
        return [promise](worker::Shell& running) {
            auto keep = [&] { std::exchange(*promise, std::nullopt)->set_value(); };
            try {
                running.run(nullptr, keep);
            } catch (const std::exception& error) {
                if (!*promise) throw;
                (*promise)->set_exception(std::make_exception_ptr(
                    StartupError(std::string("the fleet's worker has ended: ") + error.what())));
            }
        };
    }

    template <class Shell, class ShellOptions>
    std::unique_ptr<EmbeddedHost<Shell>> host(const char* component, ShellOptions shell,
                                              std::function<void(Shell&)> run) {
        return std::make_unique<EmbeddedHost<Shell>>(typename EmbeddedHost<Shell>::Ways{
            .make = [this, shell] { return std::make_unique<Shell>(*context, shell); },
            .run = std::move(run),
            .on_error = [this, component](const std::string& why) { lose(component, why); }});
    }

    void connect() {
        auto connected = std::make_unique<Scatterer::State>(
            *context, scatterer::ClientOptions{.broker = control(), .name = name});
        std::lock_guard lock(losing);
        client = connected->client;
        if (!lost.empty()) client->break_off(lost);
        scatterer.reset(new Scatterer(std::move(connected)));
    }

    /// Without one of its components no job of the fleet ends: all that wait are told.
    void lose(const char* component, const std::string& why) {
        write_log(component,
                  {.level = Level::error, .what = "the embedded fleet has ended", .detail = why});
        std::lock_guard lock(losing);
        if (lost.empty()) lost = std::string("the fleet's ") + component + " has ended: " + why;
        if (client) client->break_off(lost);
    }

    /// Ends all threads. Whether all handlers have returned until then. May be called again.
    bool end(Time until) {
        if (client) client->stop();
        if (worker) (**worker).stop_now(), worker->join();
        if (gatherer) (**gatherer).stop(), gatherer->join();
        if (broker) (**broker).stop(), broker->join();
        return !worker || (**worker).close(until);
    }

    void release() {
        scatterer.reset();
        client.reset();
        worker.reset();
        gatherer.reset();
        broker.reset();
        gatekeeper.reset();
        context.reset();
        lost.clear();
    }
};

Embedded::Embedded(EmbeddedOptions options) : state_(std::make_unique<State>()) {
    for (const auto& [name, command] : options.commands)
        state_->functions.add_command(name, command);
    if (options.allow_exec) state_->functions.allow_exec();
    state_->options = std::move(options);
}

/// In a forked child there is nothing to end.
Embedded::~Embedded() {
    if (state_->is_forked()) (void)state_.release();
}

bool Embedded::close(std::chrono::milliseconds patience) {
    state_->check_process();
    {
        std::lock_guard lock(state_->starting);
        state_->closed = true;
    }
    return state_->end(in(patience));
}

void Embedded::pause_commands() { worker::guardian::signal_guardians(SIGTSTP); }

void Embedded::resume_commands() { worker::guardian::signal_guardians(SIGCONT); }

Embedded& Embedded::function_raw(const std::string& name, RawHandler handler) {
    std::lock_guard lock(state_->starting);
    if (state_->scatterer)
        throw std::logic_error("function '" + name + "' is declared after the fleet has started");
    state_->functions.add_handler(name, std::move(handler));
    return *this;
}

Scatterer& Embedded::scatterer() {
    state_->check_process();
    std::lock_guard lock(state_->starting);
    if (state_->closed) throw FanfoldError("this embedded fleet was closed; make another one");
    if (!state_->scatterer) state_->start();
    return *state_->scatterer;
}

const std::string& Embedded::endpoint() {
    scatterer();
    return state_->endpoint;
}

}  // namespace fanfold
