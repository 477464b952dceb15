#include "worker/include/fanfold/worker.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "shared/base/limits.hpp"
#include "shared/base/machine.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/program/caught_signals.hpp"
#include "shared/wire/wire_types.hpp"
#include "worker/handlers/functions.hpp"
#include "worker/shell.hpp"

namespace fanfold {

namespace {

/// What was left open is filled in from the environment and the machine.
WorkerOptions completed(WorkerOptions options) {
    if (const char* broker = std::getenv("FANFOLD_BROKER");
        options.broker.empty() && broker != nullptr)
        options.broker = broker;
    if (options.slots > limits::slots)
        throw std::invalid_argument("slots: " + std::to_string(options.slots) +
                                    " are too many; the most is " + std::to_string(limits::slots));
    if (options.slots == 0) options.slots = std::max(1u, std::thread::hardware_concurrency());
    if (options.name.empty()) options.name = process_name();
    if (options.max_output == 0) options.max_output = limits::output_bytes;
    return options;
}

}  // namespace

struct Worker::State {
    WorkerOptions options;
    worker::FunctionTable functions;
    worker::Abilities abilities;
    std::mutex mutex;
    worker::Shell* running = nullptr;  // while run() runs
    bool stopped = false;              // stop() was called

    worker::ShellOptions shell_options(std::optional<Keys> keys) const {
        const bool runs_any_command =
            functions.find(std::string(wire::command_function)) != nullptr;
        return {.broker = options.broker,
                .name = options.name,
                .slots = options.slots,
                .functions = functions,
                .max_output = options.max_output,
                .abilities = abilities,
                .keys = std::move(keys),
                .containment = {.clean_environment = true,
                                .kept_names = {},
                                .own_folders = true,
                                .job_chooses_surroundings = runs_any_command},
                .short_tasks_lead = options.slots > 1};
    }
};

Worker::Worker(WorkerOptions options) : state_(std::make_unique<State>()) {
    state_->options = completed(std::move(options));
    for (const std::string& label : state_->options.labels) state_->abilities.add_label(label);
    for (const auto& [name, amount] : state_->options.resources)
        state_->abilities.add_resource(name, amount);
}

Worker::~Worker() = default;

Worker& Worker::function_raw(const std::string& name, RawHandler handler, FunctionOptions options) {
    state_->functions.add_handler(name, std::move(handler));
    if (options.idempotent) state_->functions.declare_idempotent(name);
    return *this;
}

Worker& Worker::command(const std::string& name, const std::string& line, FunctionOptions options) {
    state_->functions.add_command(name, line);
    if (options.idempotent) state_->functions.declare_idempotent(name);
    return *this;
}

Worker& Worker::allow_exec() {
    state_->functions.allow_exec();
    return *this;
}

void Worker::run() {
    const WorkerOptions& options = state_->options;
    set_up_logging(
        {.level = options.log_level, .file = options.log_file, .format = options.log_format});
    if (options.broker.empty())
        throw StartupError(
            "no broker is named; give its endpoint, such as tcp://127.0.0.1:7411, or set "
            "FANFOLD_BROKER");
    require(net::check_endpoint(options.broker, "broker", false));
    tune_heap();
    std::optional<Keys> keys;
    if (std::string folder = keys_folder(options.keys); !folder.empty())
        keys = require(load_keys(folder));
    std::optional<CaughtSignals> signals;
    if (options.handle_signals) signals.emplace();
    zmq::context_t context;
    worker::Shell shell(context, state_->shell_options(std::move(keys)));
    auto become = [this](worker::Shell* running) {
        std::lock_guard lock(state_->mutex);
        state_->running = running;
        if (running && state_->stopped) running->stop();
    };
    become(&shell);
    try {
        shell.run(signals ? &*signals : nullptr);
    } catch (...) {
        become(nullptr);
        throw;
    }
    become(nullptr);
}

void Worker::stop() {
    std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    if (state_->running) state_->running->stop();
}

}  // namespace fanfold
