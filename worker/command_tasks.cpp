#include "worker/command_tasks.hpp"

#include <algorithm>
#include <utility>

#include "shared/codec.hpp"
#include "worker/command_values.hpp"

namespace fanfold::worker {

namespace {

/// Both streams of one command must fit one value.
constexpr std::uint64_t most_output = limits::payload_bytes / 2 - 64;

/// The values of commands that take no longer may wait; look() comes so often.
constexpr Duration short_command = limits::flush_interval / 2;

std::uint64_t output_limit(const wire::JobSpec& spec, std::uint64_t own) {
    std::uint64_t wanted = spec.max_output == 0 ? own : std::min(spec.max_output, own);
    return std::min(wanted, most_output);
}

Result<Command> command_for(const Task& task, Index index, const Slice& payload, const Function& function) {
    Command command{.id = task.number,
                    .argv = {},
                    .environment = task.spec.environment,
                    .cwd = task.spec.cwd,
                    .input = {},
                    .max_output = 0,
                    .timeout = task.spec.timeout};
    command.environment.push_back("FANFOLD_JOB=" + to_string(task.job));
    command.environment.push_back("FANFOLD_INDEX=" + std::to_string(index));
    command.environment.push_back("FANFOLD_ATTEMPT=" + std::to_string(task.attempt));
    if (const auto* line = std::get_if<CommandLine>(&function)) {
        auto input = input_of(payload);
        if (!input) return tl::unexpected(input.error());
        command.argv = {"/bin/sh", "-c", line->text};
        command.input = *std::move(input);
        return command;
    }
    auto exec = exec_payload(payload);
    if (!exec) return tl::unexpected(exec.error());
    command.argv = std::move(exec->argv);
    command.input = std::move(exec->input);
    return command;
}

}  // namespace

CommandTasks::CommandTasks(Options options) : options_(std::move(options)) {
    runner_ = std::make_unique<CommandRunner>(CommandRunner::Options{.guardian = options_.guardian,
                                                                     .kill_grace = options_.kill_grace,
                                                                     .on_end = [this](CommandEnd end) { on_end(std::move(end)); },
                                                                     .on_pause = [this] { deliver(); }});
}

CommandTasks::~CommandTasks() {
    {
        std::scoped_lock lock(delivery_, mutex_);
        closed_ = true;
        active_.clear();
    }
    runner_.reset();
}

void CommandTasks::run(Task task, const Function& function) {
    bool anything_to_tell = false;
    {
        std::lock_guard lock(mutex_);
        std::uint64_t number = task.number;
        active_.emplace(number, Active{.task = std::move(task), .function = &function});
        start_next(number);
        anything_to_tell = !outbox_.empty();
    }
    if (anything_to_tell) deliver();
}

void CommandTasks::stop(std::uint64_t task) {
    std::lock_guard lock(mutex_);
    auto at = active_.find(task);
    if (at == active_.end()) return;
    at->second.stopped = true;
    runner_->abort(task);
}

/// The fragment after those that are done has a command that runs.
bool CommandTasks::trim(const Trim& action) {
    bool found = false;
    {
        std::lock_guard lock(mutex_);
        auto at = active_.find(action.task);
        found = at != active_.end();
        if (found) {
            Task& task = at->second.task;
            Range given_up{std::max(action.from, task.first + at->second.done + 1), task.first + task.count};
            if (given_up.empty()) given_up = {};
            else task.count = static_cast<std::uint32_t>(given_up.begin - task.first);
            tell(Trimmed{.task = action.task, .range = given_up});
        }
    }
    deliver();  // its end, when that is why it was not found
    return found;
}

/// Starts the next fragment for which there is a command; those without fail. At the end of the task, or when it is stopped,
/// its slot is free again.
void CommandTasks::start_next(std::uint64_t number) {
    Active& active = active_.at(number);
    while (active.done < active.task.count && !active.stopped) {
        const Slice& body = active.task.body;
        auto length = wire::object_length(body.view().substr(active.offset));
        if (!length) {
            fail(active, "the payload is no whole MessagePack object");
            ++active.done;
            continue;
        }
        Slice payload = body.sub(active.offset, *length);
        active.offset += *length;
        auto command = command_for(active.task, active.task.first + active.done, payload, *active.function);
        if (command) {
            command->max_output = output_limit(active.task.spec, options_.max_output);
            runner_->start(*std::move(command));
            return;
        }
        fail(active, std::move(command.error().text));
        ++active.done;
    }
    tell_waiting(active);
    active_.erase(number);
    tell(Finished{.task = number});
}

void CommandTasks::on_end(CommandEnd end) {
    std::lock_guard lock(mutex_);
    auto at = active_.find(end.id);
    if (at == active_.end()) return;
    Active& active = at->second;
    std::uint64_t number = end.id;
    if (end.how == CommandEnd::How::aborted) active.stopped = true;
    else report(active, std::move(end));
    ++active.done;
    start_next(number);
}

void CommandTasks::fail(Active& active, std::string message) {
    wire::Failure failure{.index = active.task.first + active.done, .message = std::move(message), .worker = {}};
    tell_waiting(active);
    tell(Failed{.task = active.task.number, .failure = std::move(failure), .output = {}});
}

void CommandTasks::report(Active& active, CommandEnd end) {
    const Task& task = active.task;
    bool exec = std::holds_alternative<Exec>(*active.function);
    if (is_success(end)) {
        std::string value = exec ? streams_value(end.out, end.err) : output_value(end.out);
        active.waiting.push_back(Values{.task = task.number,
                                        .first = task.first + active.done,
                                        .count = 1,
                                        .body = Slice::take(std::move(value)),
                                        .started = end.started,
                                        .elapsed = end.elapsed});
        if (end.elapsed > short_command) tell_waiting(active);
        return;
    }
    wire::Failure failure = failure_of(end, task.spec.timeout, output_limit(task.spec, options_.max_output));
    failure.index = task.first + active.done;
    tell_waiting(active);
    tell(Failed{.task = task.number, .failure = std::move(failure), .output = Slice::take(streams_value(end.out, end.err))});
}

void CommandTasks::tell_waiting(Active& active) {
    for (Event& event : active.waiting) tell(std::move(event));
    active.waiting.clear();
}

bool CommandTasks::look() {
    bool busy = false;
    {
        std::lock_guard lock(mutex_);
        for (auto& [number, active] : active_) {
            busy = busy || active.task.count - active.done > 1;
            tell_waiting(active);
        }
    }
    deliver();
    return busy;
}

void CommandTasks::deliver() {
    std::lock_guard delivering(delivery_);
    std::vector<Event> events;
    {
        std::lock_guard lock(mutex_);
        events.swap(outbox_);
    }
    if (closed_) return;
    for (Event& event : events) options_.deliver(std::move(event));
}

}  // namespace fanfold::worker
