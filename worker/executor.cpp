#include "worker/executor.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "worker/limits.hpp"

namespace fanfold::worker {

Executors::Executors(Options options)
    : options_(std::move(options)),
      functions_(std::make_shared<const FunctionTable>(std::move(options_.functions))) {
    if (functions_->runs_commands()) {
        commands_ = std::make_unique<CommandTasks>(
            CommandTasks::Options{.guardian = options_.guardian,
                                  .max_output = options_.max_output,
                                  .containment = options_.containment,
                                  .check = options_.check,
                                  .deliver = options_.deliver});
    }
    for (const std::string& name : functions_->names()) paces_->try_emplace(name);
    for (std::uint32_t i = 0; i < std::max(options_.slots, 1u); ++i) add_slot();
    watch_ = std::thread([this] { watch(); });
}

void Executors::add_slot() {
    std::lock_guard lock(mutex_);
    slots_.push_back(std::make_shared<HandlerSlot>(HandlerSlot::Options{.functions = functions_,
                                                                        .paces = paces_,
                                                                        .deliver = options_.deliver,
                                                                        .log = options_.log}));
}

Executors::~Executors() {
    if (!closed_) close();
    for (auto& slot : slots_) slot->leave_behind();
}

bool Executors::close() {
    return close(std::chrono::steady_clock::now() + options_.close_patience);
}

bool Executors::close(Time until) {
    closed_ = true;
    for (auto& slot : slots_) slot->cancel();
    if (watch_.joinable()) end_watch();
    commands_.reset();
    bool all_ended = true;
    for (auto& slot : slots_) all_ended = slot->close(until) && all_ended;
    return all_ended;
}

void Executors::end_watch() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    watch_.join();
}

void Executors::run(Run action) {
    const Function* function = functions_->find(action.task.spec.function);
    FANFOLD_CHECK(function != nullptr);  // the core runs only what it was told is offered
    bool is_command =
        std::holds_alternative<CommandLine>(*function) || std::holds_alternative<Exec>(*function);
    if (is_command) {
        if (action.task.count > 1) wake_watch();
        return commands_->run(std::move(action.task), *function);
    }
    wake_watch();
    if (action.host) return run_as_guest(std::move(action));
    FANFOLD_CHECK(action.slot < slots_.size());
    slots_[action.slot]->start(std::move(action.task));
}

/// On the thread of a handler that waits.
void Executors::run_as_guest(Run action) {
    while (action.slot >= slots_.size()) add_slot();
    std::shared_ptr<HandlerSlot> guest = slots_[action.slot];
    const std::uint64_t number = action.task.number;
    const bool taken = slots_.at(*action.host)
                           ->helper()
                           .take({.begin = [&] { guest->begin_here(std::move(action.task)); },
                                  .run = [guest] { guest->run_begun(); }});
    if (!taken) options_.deliver(Finished{.task = number});
}

Duration Executors::expected(const Task& task) const {
    const Function* function = functions_->find(task.spec.function);
    bool may_be_short = function != nullptr && (std::holds_alternative<RawHandler>(*function) ||
                                                std::holds_alternative<Echo>(*function));
    if (!may_be_short) return Duration::max();
    return paces_->at(task.spec.function).expected(task.count);
}

void Executors::run_here(Run action) {
    FANFOLD_CHECK(action.slot < slots_.size());
    std::shared_ptr<HandlerSlot> slot = slots_[action.slot];
    wake_watch();
    slot->begin_here(std::move(action.task));
    slot->run_begun();
}

void Executors::wake_watch() {
    std::lock_guard lock(mutex_);
    if (!std::exchange(watching_, true)) changed_.notify_all();
}

void Executors::stop(std::uint64_t task) {
    for (auto& slot : slots_) slot->stop(task);
    if (commands_) commands_->stop(task);
}

void Executors::trim(const Trim& action) {
    for (auto& slot : slots_) {
        if (slot->trim(action)) return;
    }
    if (commands_ && commands_->trim(action)) return;
    options_.deliver(Trimmed{.task = action.task, .range = {}});
}

void Executors::check() {
    if (commands_) commands_->check();
    else options_.deliver(Checked{});
}

/// Scans the slots every limits::watch_interval, so that nothing finished waits longer than one.
/// Sleeps when all are idle.
void Executors::watch() {
    std::unique_lock lock(mutex_);
    int idle = 0;
    while (!ending_) {
        if (!watching_) {
            changed_.wait(lock, [&] { return watching_ || ending_; });
            idle = 0;
        }
        changed_.wait_for(lock, limits::watch_interval, [&] { return ending_; });
        const auto slots = slots_;
        lock.unlock();
        bool busy = false;
        Time now = std::chrono::steady_clock::now();
        for (const auto& slot : slots) {
            if (!slot->busy()) continue;
            busy = true;
            slot->scan(now);
        }
        if (commands_ && commands_->scan()) busy = true;
        if (options_.on_scan) options_.on_scan();
        lock.lock();
        idle = busy ? 0 : idle + 1;
        if (idle > limits::idle_scans) watching_ = false;
    }
}

}  // namespace fanfold::worker
