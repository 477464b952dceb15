#include "worker/commands/command_tasks.hpp"

#include <algorithm>
#include <utility>

#include "shared/wire/codec.hpp"
#include "worker/commands/command_values.hpp"

namespace fanfold::worker {

namespace {

/// Both streams of one command must fit one value.
constexpr std::uint64_t most_output = limits::payload_bytes / 2 - 64;

/// The values of commands that take no longer may wait; look() comes so often.
constexpr Duration short_command = limits::flush_interval / 2;

/// After one that took no longer, the next is expected to take no longer.
constexpr Duration expected_short = limits::flush_interval / 8;

/// With more tasks than that the next commands' pipes could be more than a process may open, and
/// nothing waits for them anyway.
constexpr std::size_t most_tasks_ahead = 64;

std::uint64_t command_id(std::uint64_t task, std::size_t place) {
    return task * CommandTasks::most_out + place;
}

std::uint64_t output_limit(const wire::JobSpec& spec, std::uint64_t own) {
    std::uint64_t wanted = spec.max_output == 0 ? own : std::min(spec.max_output, own);
    return std::min(wanted, most_output);
}

Result<Command> command_for(const Task& task, Index index, const Slice& payload,
                            const Function& function) {
    Command command{.argv = {},
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

constexpr const char* not_its_choice =
    "this worker's functions run in surroundings of its own; leave out --env and --cwd, or start "
    "it with --allow-exec";

}  // namespace

CommandTasks::CommandTasks(Options options) : options_(std::move(options)) {
    runner_ = std::make_unique<CommandRunner>(
        CommandRunner::Options{.guardian = options_.guardian,
                               .kill_grace = options_.kill_grace,
                               .containment = options_.containment,
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
        go_on(number);
        anything_to_tell = !outbox_.empty();
    }
    if (anything_to_tell) deliver();
}

void CommandTasks::stop(std::uint64_t task) {
    std::lock_guard lock(mutex_);
    auto at = active_.find(task);
    if (at == active_.end()) return;
    at->second.stopped = true;
    for (std::size_t place = 0; place < at->second.sent.size(); ++place) {
        if (at->second.sent.at(place).out) runner_->abort(command_id(task, place));
    }
}

bool CommandTasks::trim(const Trim& action) {
    bool found = false;
    {
        std::lock_guard lock(mutex_);
        auto at = active_.find(action.task);
        found = at != active_.end();
        if (found) {
            Task& task = at->second.task;
            Range given_up{std::max(action.from, task.first + at->second.next),
                           task.first + task.count};
            if (given_up.empty()) given_up = {};
            else task.count = static_cast<std::uint32_t>(given_up.begin - task.first);
            tell(Trimmed{.task = action.task, .range = given_up});
        }
    }
    deliver();  // its end, when that is why it was not found
    return found;
}

/// Hands the runner as many commands as it may have. At the end of the task, or when it is stopped,
/// its slot is free again.
void CommandTasks::go_on(std::uint64_t number) {
    Active& active = active_.at(number);
    while (may_send(active) && send_next(active)) {
    }
    if (active.out > 0) return;
    tell_waiting(active);
    active_.erase(number);
    tell(Finished{.task = number});
}

bool CommandTasks::may_send(const Active& active) const {
    if (active.stopped || active.next == active.task.count) return false;
    if (active.out == 0) return true;
    // The time of a command with a timeout is counted from when the runner has it.
    if (active.task.job != short_job_ || active.task.spec.timeout != wire::Milliseconds(0) ||
        active_.size() > most_tasks_ahead)
        return false;
    // Not while others that came back with it are still on their way.
    const Sent& last = active.sent.at(active.last);
    return active.out < most_out && last.out && last.fragment + 1 == active.next;
}

/// Fails the fragment if there is no command for it, in its turn: false if others are before it.
bool CommandTasks::send_next(Active& active) {
    const Slice& body = active.task.body;
    Sent fragment{.out = true, .fragment = active.next, .offset = active.offset};
    auto length = wire::object_length(body.view().substr(active.offset));
    auto command = length ? command_of(active, body.sub(active.offset, *length))
                          : fanfold::fail("the payload is no whole MessagePack object");
    if (!command && active.out > 0) return false;
    ++active.next;
    active.offset += length.value_or(0);
    if (!command) {
        fail(active, fragment.fragment, std::move(command.error().text));
        return true;
    }
    const auto free = std::ranges::find(active.sent, false, &Sent::out);
    if (active.out > 0) command->after = command_id(active.task.number, active.last);
    active.last = static_cast<std::size_t>(free - active.sent.begin());
    command->id = command_id(active.task.number, active.last);
    *free = fragment;
    ++active.out;
    runner_->start(*std::move(command));
    return true;
}

/// For the next fragment.
Result<Command> CommandTasks::command_of(const Active& active, const Slice& payload) const {
    const Task& task = active.task;
    // With an environment or a folder a job can make a declared command run anything.
    bool chooses = std::holds_alternative<CommandLine>(*active.function) &&
                   !(task.spec.environment.empty() && task.spec.cwd.empty());
    if (chooses && !options_.containment.job_chooses_surroundings)
        return fanfold::fail(not_its_choice);
    auto command = command_for(task, task.first + active.next, payload, *active.function);
    if (command) command->max_output = output_limit(task.spec, options_.max_output);
    return command;
}

void CommandTasks::on_end(CommandEnd end) {
    std::lock_guard lock(mutex_);
    std::uint64_t number = end.id / most_out;
    auto at = active_.find(number);
    if (at == active_.end()) return;
    Active& active = at->second;
    Sent& sent = active.sent.at(end.id % most_out);
    sent.out = false;
    --active.out;
    if (end.how == CommandEnd::How::withdrawn) {
        short_job_.reset();
        if (sent.fragment < active.next) active.next = sent.fragment, active.offset = sent.offset;
    } else if (end.how == CommandEnd::How::aborted) {
        active.stopped = true;
    } else {
        short_job_.reset();
        if (end.elapsed <= expected_short) short_job_ = active.task.job;
        report(active, sent.fragment, std::move(end));
    }
    go_on(number);
}

void CommandTasks::fail(Active& active, std::uint32_t fragment, std::string message) {
    wire::Failure failure{
        .index = active.task.first + fragment, .message = std::move(message), .worker = {}};
    tell_waiting(active);
    tell(Failed{.task = active.task.number, .failure = std::move(failure), .output = {}});
}

void CommandTasks::report(Active& active, std::uint32_t fragment, CommandEnd end) {
    const Task& task = active.task;
    bool exec = std::holds_alternative<Exec>(*active.function);
    if (is_success(end)) {
        std::string value = exec ? streams_value(end.out, end.err) : output_value(end.out);
        active.waiting.push_back(Values{.task = task.number,
                                        .first = task.first + fragment,
                                        .count = 1,
                                        .body = Slice::take(std::move(value)),
                                        .started = end.started,
                                        .elapsed = end.elapsed});
        if (end.elapsed > short_command) tell_waiting(active);
        return;
    }
    wire::Failure failure =
        failure_of(end, {.timeout = task.spec.timeout,
                         .max_output = output_limit(task.spec, options_.max_output),
                         .limits = options_.containment.limits});
    failure.index = task.first + fragment;
    tell_waiting(active);
    tell(Failed{.task = task.number,
                .failure = std::move(failure),
                .output = Slice::take(streams_value(end.out, end.err))});
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
            busy = busy || active.task.count - active.next + active.out > 1;
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
