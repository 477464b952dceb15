#include "worker/commands/command_pipes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "worker/limits.hpp"

namespace fanfold::worker {
namespace {

struct Pipe {
    Descriptor read;
    Descriptor write;
};

bool open_pipe(Pipe& pipe) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) return false;
    pipe = {.read = Descriptor(ends[0]), .write = Descriptor(ends[1])};
    return true;
}

void never_block(const Descriptor& descriptor) { ::fcntl(descriptor.get(), F_SETFL, O_NONBLOCK); }

}  // namespace

Result<Prepared> prepare(Command& command) {
    const auto cannot = [&](const std::string& reason) {
        return fail("cannot run " + command.argv.front() + ": " + reason);
    };
    Pipe out;
    Pipe err;
    Pipe in;
    guardian::Request request = request_of(command);
    if (!open_pipe(out) || !open_pipe(err) || (command.input && !open_pipe(in))) {
        const std::string reason = std::generic_category().message(errno);
        return cannot(reason + "; raise the limit of open files (ulimit -n) or lower the slots");
    }
    never_block(out.read);
    never_block(err.read);
    request.attach(std::move(out.write));
    request.attach(std::move(err.write));
    if (command.input) {
        never_block(in.write);
        request.attach(std::move(in.read));
    }
    if (auto moved = guardian::move_long_text(request); !moved) return cannot(moved.error().text);
    Running running;
    running.id = command.id;
    running.program = command.argv.front();
    running.cwd = std::move(command.cwd);
    running.max_output = command.max_output != 0 ? command.max_output : limits::output_bytes;
    running.out.pipe = std::move(out.read);
    running.err.pipe = std::move(err.read);
    running.in = std::move(in.write);
    running.input = command.input ? *command.input : Slice{};
    return Prepared{.running = std::move(running), .request = std::move(request)};
}

bool OutputReader::read(Stream& stream, std::size_t max_output, Until until) {
    bool over_limit = false;
    for (int count = 0; count < limits::reads_per_turn && stream.pipe.open(); ++count) {
        const ssize_t got = ::read(stream.pipe.get(), buffer_.data(), buffer_.size());
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (got <= 0) {
            stream.pipe.close();
            break;
        }
        const auto bytes = static_cast<std::size_t>(got);
        const std::size_t room = max_output - stream.bytes.size();
        stream.bytes.append(buffer_.data(), std::min(bytes, room));
        if (bytes > room) over_limit = true;
        if (bytes < buffer_.size() && until == Until::has_paused) break;
    }
    return over_limit;
}

void write_input(Running& running) {
    while (running.written < running.input.size()) {
        const auto rest = running.input.view().substr(running.written);
        const ssize_t put = ::write(running.in.get(), rest.data(), rest.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return;
        if (put < 0) break;
        running.written += static_cast<std::size_t>(put);
    }
    running.in.close();
    running.input = {};
}

}  // namespace fanfold::worker
