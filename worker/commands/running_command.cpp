#include "worker/commands/running_command.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

namespace fanfold::worker {
namespace {

using std::chrono::microseconds;

std::string system_text(int error) { return std::generic_category().message(error); }

std::string explain(const guardian::Report& report, const Running& running) {
    if (report.kind == guardian::ReportKind::bad_folder) {
        if (running.cwd.empty())
            return "cannot make a folder for commands: " + system_text(report.value);
        return "cannot enter folder " + running.cwd + ": " + system_text(report.value);
    }
    std::string reason = system_text(report.value);
    const bool path = running.program.find('/') != std::string::npos;
    if (report.value == ENOENT)
        reason = path ? "no such file, or its interpreter is missing" : "not found in PATH";
    if (report.value == EACCES) reason = "permission denied; is it an executable file?";
    if (report.value == E2BIG)
        reason = "its arguments and environment are too long; hand them over on its standard input";
    return "cannot run " + running.program + ": " + reason;
}

/// Of a command that did not start. What it is too long for, it is everywhere.
std::optional<wire::TroubleKind> trouble_of(const guardian::Report& report,
                                            const Running& running) {
    using enum wire::TroubleKind;
    if (report.kind == guardian::ReportKind::bad_folder)
        return running.cwd.empty() ? worker : command;
    switch (report.value) {
        case E2BIG:
        case EINVAL: return std::nullopt;
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOSPC:
        case EIO: return worker;
        default: return command;
    }
}

/// What shells, env, nice, timeout and others say of a program that they can't find or execute.
bool says_no_program(int exit_code) { return exit_code == 126 || exit_code == 127; }

bool holds_zero(const std::vector<std::string>& texts) {
    return std::any_of(texts.begin(), texts.end(),
                       [](const auto& text) { return text.find('\0') != std::string::npos; });
}

CommandEnd common_end(Running& running) {
    CommandEnd end;
    end.id = running.id;
    end.out = std::move(running.out.bytes);
    end.err = std::move(running.err.bytes);
    return end;
}

void set_status(CommandEnd& end, int status) {
    if (WIFSIGNALED(status)) {
        end.how = CommandEnd::How::signaled;
        end.signal = WTERMSIG(status);
    } else {
        end.exit_code = WEXITSTATUS(status);
    }
}

std::string message_of(const CommandEnd& end, const Running& running) {
    switch (end.how) {
        case CommandEnd::How::exited: return {};
        case CommandEnd::How::signaled:
            return running.program + " was ended by signal " + std::to_string(end.signal) + " (" +
                   ::strsignal(end.signal) + ")";
        case CommandEnd::How::timed_out:
            return running.program + " ran past its timeout and was killed";
        case CommandEnd::How::over_limit:
            return running.program + " wrote more than " + std::to_string(running.max_output) +
                   " bytes and was killed; raise the limit with --max-output";
        case CommandEnd::How::not_started: return "cannot run " + running.program;
        case CommandEnd::How::aborted: return running.program + " was cancelled";
    }
    return {};
}

}  // namespace

std::string flaw_of(const Command& command) {
    if (command.argv.empty()) return "cannot run an empty command line: name a program";
    if (holds_zero(command.argv))
        return "cannot run " + command.argv.front().substr(0, command.argv.front().find('\0')) +
               ": an argument holds a zero byte; hand it over on its standard input";
    if (holds_zero(command.environment))
        return "cannot run " + command.argv.front() + ": its environment holds a zero byte";
    if (holds_zero({command.cwd})) return "cannot enter a folder whose name holds a zero byte";
    return {};
}

guardian::Request request_of(const Command& command) {
    guardian::Request request;
    request.header = {.kind = guardian::RequestKind::spawn,
                      .arguments = static_cast<std::uint32_t>(command.argv.size()),
                      .environment = static_cast<std::uint32_t>(command.environment.size()),
                      .has_input = command.input ? 1u : 0u};
    const auto put = [&](const std::string& text) {
        request.text.append(text.c_str(), text.size() + 1);
    };
    put(command.cwd);
    for (const std::string& argument : command.argv) put(argument);
    for (const std::string& entry : command.environment) put(entry);
    return request;
}

CommandEnd end_of(Running& running) {
    const guardian::Report& report = running.report;
    CommandEnd end = common_end(running);
    end.started = microseconds(report.started);
    end.elapsed = microseconds(report.elapsed);
    end.left = report.left;
    if (report.kind != guardian::ReportKind::ended) {
        end.how = CommandEnd::How::not_started;
        end.message = explain(report, running);
        end.trouble = trouble_of(report, running);
        return end;
    }
    set_status(end, report.value);
    if (report.stopped != 0) end.how = running.why;
    if (running.over_limit) end.how = CommandEnd::How::over_limit;
    if (end.how == CommandEnd::How::exited && says_no_program(end.exit_code))
        end.trouble = wire::TroubleKind::command;
    end.message = message_of(end, running);
    return end;
}

CommandEnd early_end_of(Running& running, CommandEnd::How how, std::string message) {
    CommandEnd end = common_end(running);
    end.how = how;
    end.started = running.started;
    end.elapsed =
        std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - running.begin);
    end.message = message.empty() ? message_of(end, running) : std::move(message);
    if (how == CommandEnd::How::not_started) end.trouble = wire::TroubleKind::worker;
    if (how == CommandEnd::How::signaled) {
        end.signal = SIGKILL;
        end.message =
            running.program + " was killed: its guardian process died; it may be run again";
    }
    return end;
}

}  // namespace fanfold::worker
