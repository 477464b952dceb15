#include "worker/commands/command_tasks.hpp"

#include <algorithm>
#include <utility>

#include "shared/base/same_folder.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/tolerance.hpp"
#include "worker/commands/command_values.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

std::uint64_t output_limit(const wire::JobSpec& spec, std::uint64_t own) {
    std::uint64_t wanted = spec.max_output == 0 ? own : std::min(spec.max_output, own);
    return std::min<std::uint64_t>(wanted, limits::streams_bytes);
}

Result<Command> command_for(const Task& task, Index index, std::uint32_t slot, const Slice& payload,
                            const Function& function) {
    Command command{.id = task.number,
                    .argv = {},
                    .environment = task.spec.environment,
                    .cwd = task.spec.cwd,
                    .input = {},
                    .max_output = 0,
                    .timeout = task.spec.timeout};
    command.environment.push_back("FANFOLD_JOB=" + to_string(task.job));
    command.environment.push_back("FANFOLD_INDEX=" + std::to_string(index));
    command.environment.push_back("FANFOLD_SEQ=" + std::to_string(index + 1));
    command.environment.push_back("FANFOLD_ATTEMPT=" + std::to_string(task.attempt));
    command.environment.push_back("FANFOLD_SLOT=" + std::to_string(slot));
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

constexpr std::uint64_t check_id = 0;  // tasks are numbered from 1

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
    bool anything_to_deliver = false;
    {
        std::lock_guard lock(mutex_);
        std::uint64_t number = task.number;
        wire::JobSpec& spec = task.spec;
        const bool away = !spec.cwd_identity.empty() && !is_folder(spec.cwd, spec.cwd_identity);
        if (away) spec.cwd.clear();
        active_.emplace(
            number,
            Active{
                .task = std::move(task), .function = &function, .slot = free_slot(), .away = away});
        go_on(number);
        anything_to_deliver = !outbox_.empty();
    }
    if (anything_to_deliver) deliver();
}

std::uint32_t CommandTasks::free_slot() const {
    std::uint32_t slot = 1;
    auto is_taken = [&slot](const auto& item) { return item.second.slot == slot; };
    while (std::ranges::any_of(active_, is_taken)) ++slot;
    return slot;
}

void CommandTasks::stop(std::uint64_t task) {
    std::lock_guard lock(mutex_);
    auto at = active_.find(task);
    if (at == active_.end()) return;
    at->second.stopped = true;
    runner_->abort(task);
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
            outbox_.push_back(Trimmed{.task = action.task, .range = given_up});
        }
    }
    deliver();  // its end, when that is why it was not found
    return found;
}

void CommandTasks::check() {
    std::string line = "true";
    if (options_.containment.own_folders)
        line = "head -c " + std::to_string(limits::checked_bytes) + " /dev/zero >check && rm check";
    if (!options_.check.empty()) line += " && {\n" + options_.check + "\n}";
    runner_->start({.id = check_id,
                    .argv = {"/bin/sh", "-c", "exec 2>&1\n" + line},
                    .environment = {},
                    .cwd = {},
                    .input = {},
                    .max_output = limits::error_tail,
                    .timeout = limits::check_patience});
}

void CommandTasks::take_check(const CommandEnd& end) {
    std::string why;
    if (!is_success(end))
        why = failure_of(end, {.timeout = limits::check_patience,
                               .max_output = limits::error_tail,
                               .limits = options_.containment.limits})
                  .message;
    if (!is_success(end) && !end.out.empty()) why += ": " + end.out;
    outbox_.push_back(Checked{.why = std::move(why)});
}

/// Hands the runner the next command. At the end of the task, or when it is stopped, its slot is
/// free again.
void CommandTasks::go_on(std::uint64_t number) {
    Active& active = active_.at(number);
    while (!active.runs && !active.stopped && active.next < active.task.count) start_next(active);
    if (active.runs) return;
    flush_waiting(active);
    active_.erase(number);
    outbox_.push_back(Finished{.task = number});
}

/// Fails the fragment if there is no command for it.
void CommandTasks::start_next(Active& active) {
    const Slice& body = active.task.body;
    auto length = wire::object_length(body.view().substr(active.offset));
    auto command = length ? next_command(active, body.sub(active.offset, *length))
                          : fail("the payload is no whole MessagePack object");
    ++active.next;
    active.offset += length.value_or(0);
    if (!command) {
        return report_failure(active, {.message = std::move(command.error().text), .worker = {}},
                              {});
    }
    active.runs = true;
    runner_->start(*std::move(command));
}

Result<Command> CommandTasks::next_command(const Active& active, const Slice& payload) const {
    const Task& task = active.task;
    // With an environment or a folder a job can make a declared command run anything.
    bool chooses = std::holds_alternative<CommandLine>(*active.function) &&
                   !(task.spec.environment.empty() && task.spec.cwd.empty());
    if (chooses && !options_.containment.job_chooses_surroundings) return fail(not_its_choice);
    auto command =
        command_for(task, task.first + active.next, active.slot, payload, *active.function);
    if (command) command->max_output = output_limit(task.spec, options_.max_output);
    return command;
}

void CommandTasks::on_end(CommandEnd end) {
    std::lock_guard lock(mutex_);
    const std::uint64_t number = end.id;
    if (number == check_id) return take_check(end);
    auto at = active_.find(number);
    if (at == active_.end()) return;
    at->second.runs = false;
    if (end.how == CommandEnd::How::aborted) at->second.stopped = true;
    else report(at->second, std::move(end));
    go_on(number);
}

std::string CommandTasks::outputs_of(const Active& active, const CommandEnd& end) {
    std::optional<std::string_view> left;
    if (active.away) left = end.left;
    return streams_value(end.out, end.err, left);
}

void CommandTasks::report(Active& active, CommandEnd end) {
    const Task& task = active.task;
    if (is_success(end)) {
        bool exec = std::holds_alternative<Exec>(*active.function);
        std::string value = exec ? outputs_of(active, end) : output_value(end.out);
        active.waiting.push_back(Values{.task = task.number,
                                        .first = active.running(),
                                        .count = 1,
                                        .body = Slice::take(std::move(value)),
                                        .started = end.started,
                                        .elapsed = end.elapsed});
        if (end.elapsed > limits::short_command) flush_waiting(active);
        return;
    }
    wire::Failure failure =
        failure_of(end, {.timeout = task.spec.timeout,
                         .max_output = output_limit(task.spec, options_.max_output),
                         .limits = options_.containment.limits,
                         .away = active.away});
    // What comes after it would fare no better.
    if (end.trouble == wire::TroubleKind::worker) active.stopped = true;
    report_failure(active, std::move(failure), Slice::take(outputs_of(active, end)), end.trouble);
}

void CommandTasks::report_failure(Active& active, wire::Failure failure, Slice output,
                                  std::optional<wire::TroubleKind> trouble) {
    failure.index = active.running();
    flush_waiting(active);
    if (wire::pauses_at_failure(active.task.spec, active.task.attempt))
        active.task.count = active.next;  // the rest is the broker's to decide on
    outbox_.push_back(Failed{.task = active.task.number,
                             .failure = std::move(failure),
                             .output = std::move(output),
                             .trouble = trouble});
}

void CommandTasks::flush_waiting(Active& active) {
    for (Event& event : active.waiting) outbox_.push_back(std::move(event));
    active.waiting.clear();
}

bool CommandTasks::scan() {
    bool busy = false;
    {
        std::lock_guard lock(mutex_);
        for (auto& [number, active] : active_) {
            const std::uint32_t unended = active.task.count - active.next + (active.runs ? 1 : 0);
            busy = busy || unended > 1;
            flush_waiting(active);
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
