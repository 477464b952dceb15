// The composition: broker, gatherer and worker on threads of their own, a scatterer connected to
// them, all over inproc.
#include "fanfold/embedded.hpp"

#include <atomic>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "broker/shell.hpp"
#include "gatherer/shell.hpp"
#include "scatterer/api/scatterer_state.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/security/gatekeeper.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/keys.hpp"
#include "shared/security/secured_sockets.hpp"
#include "worker/shell.hpp"

namespace fanfold {

namespace {
/// Each fleet of this process has endpoints of its own.
std::string next_fleet_name() {
    static std::atomic<unsigned> number{0};
    return "fleet" + std::to_string(++number);
}

/// A component on a thread of its own. Whatever it throws while it is made comes out of the
/// constructor.
template <class Shell>
class Hosted {
public:
    template <class Make, class Run>
    Hosted(Make make, Run run) {
        std::promise<Shell*> made;
        thread_ = std::thread([this, &made, make, run] {
            std::unique_ptr<Shell> shell;
            try {
                shell = make();
                shell_ = shell.get();
                made.set_value(shell.get());
            } catch (...) {
                return made.set_exception(std::current_exception());
            }
            run(*shell);
        });
        try {
            made.get_future().get();
        } catch (...) {
            thread_.join();
            throw;
        }
    }
    template <class Stop>
    void end(Stop stop) {
        stop(*shell_);
        thread_.join();
    }
    Shell& operator*() { return *shell_; }

private:
    Shell* shell_ = nullptr;
    std::thread thread_;
};
}  // namespace

struct Embedded::State {
    EmbeddedOptions options;
    worker::FunctionTable functions;
    std::string name = next_fleet_name();
    std::string endpoint;
    std::unique_ptr<zmq::context_t> context;
    std::unique_ptr<net::Gatekeeper> gatekeeper;
    std::unique_ptr<Hosted<broker::Shell>> broker;
    std::unique_ptr<Hosted<gatherer::Shell>> gatherer;
    std::unique_ptr<Hosted<worker::Shell>> worker;
    std::mutex starting;  // of what follows: threads may ask for it at the same time
    std::unique_ptr<Scatterer> scatterer;

    ~State() { stop(); }

    void start() {
        try {
            context = std::make_unique<zmq::context_t>(1);
            post_gatekeeper();
            start_broker();
            start_gatherer();
            start_worker();
        } catch (const std::runtime_error& error) {  // a StartupError, or there is no thread
            stop();
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
        broker = std::make_unique<Hosted<broker::Shell>>(
            [this, shell] { return std::make_unique<broker::Shell>(*context, shell); },
            [](broker::Shell& running) { running.run(); });
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
        gatherer = std::make_unique<Hosted<gatherer::Shell>>(
            [this, shell] { return std::make_unique<gatherer::Shell>(*context, shell); },
            [](gatherer::Shell& running) { running.run(); });
    }

    void start_worker() {
        worker::ShellOptions shell{.broker = control(),
                                   .name = "embedded",
                                   .slots = options.slots,
                                   .functions = functions,
                                   .max_output = options.max_output};
        if (shell.slots == 0) shell.slots = std::max(1u, std::thread::hardware_concurrency());
        if (shell.max_output == 0) shell.max_output = limits::output_bytes;
        auto registered = std::make_shared<std::promise<void>>();
        auto done = registered->get_future();
        worker = std::make_unique<Hosted<worker::Shell>>(
            [this, shell] { return std::make_unique<worker::Shell>(*context, shell); },
            [registered](worker::Shell& running) {
                try {
                    running.run(nullptr, [registered] { registered->set_value(); });
                } catch (const std::exception& error) {
                    write_log("worker", {.level = Level::error,
                                         .what = "the embedded worker has ended",
                                         .detail = error.what()});
                }
            });
        done.get();
    }

    void stop() {
        scatterer.reset();
        if (worker) worker->end([](worker::Shell& running) { running.stop_now(); });
        if (gatherer) gatherer->end([](gatherer::Shell& running) { running.stop(); });
        if (broker) broker->end([](broker::Shell& running) { running.stop(); });
        worker.reset();
        gatherer.reset();
        broker.reset();
        gatekeeper.reset();
        context.reset();
    }
};

Embedded::Embedded(EmbeddedOptions options) : state_(std::make_unique<State>()) {
    for (const auto& [name, command] : options.commands)
        state_->functions.add_command(name, command);
    if (options.allow_exec) state_->functions.allow_exec();
    state_->options = std::move(options);
}

Embedded::~Embedded() = default;

Embedded& Embedded::function_raw(const std::string& name, RawHandler handler) {
    std::lock_guard lock(state_->starting);
    if (state_->scatterer)
        throw std::logic_error("function '" + name + "' is declared after the fleet has started");
    state_->functions.add_handler(name, std::move(handler));
    return *this;
}

Scatterer& Embedded::scatterer() {
    std::lock_guard lock(state_->starting);
    if (!state_->scatterer) {
        state_->start();
        auto connected = std::make_unique<Scatterer::State>(
            *state_->context,
            scatterer::ClientOptions{.broker = state_->control(), .name = state_->name});
        state_->scatterer.reset(new Scatterer(std::move(connected)));
    }
    return *state_->scatterer;
}

const std::string& Embedded::endpoint() {
    scatterer();
    return state_->endpoint;
}

}  // namespace fanfold
