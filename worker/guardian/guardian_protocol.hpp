// The wire between a CommandRunner and its guardian process: one packet socket, both ends built
// from this file.
//
// The runner sends requests, each one packet: a RequestHeader, then the request's text
// (zero-terminated strings: working folder, arguments, environment) when it is short; a longer text
// comes in a memory file. A spawn request carries descriptors in this order: stdout, stderr, stdin
// if has_input, the memory file if the text is not in the packet. The guardian sends packets of one
// or more Reports: `ready` once, then exactly one for each spawn request. When the socket closes,
// or the process that started it ends, the guardian kills all that it started and exits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "shared/base/result.hpp"
#include "worker/guardian/descriptor.hpp"

namespace fanfold::worker::guardian {

inline constexpr int socket_number = 3;  // the only descriptor it inherits besides 0, 1 and 2
inline constexpr const char* wire_version = "5";  // raised with every change of this file
inline constexpr std::size_t inline_text_bytes = 16 << 10;
inline constexpr std::size_t most_descriptors = 4;  // of one request
inline constexpr std::size_t most_reports = 64;     // of one packet

/// The guardian's arguments: the limits of CommandLimits, and the folder in which commands get one
/// each (empty: they do not), and the cgroup below which they do (likewise).
enum Argument : int {
    argument_version = 1,
    argument_name,
    argument_parent,
    argument_memory,
    argument_cpu,
    argument_files,
    argument_folder,
    argument_cgroup,
    argument_count
};

enum class RequestKind : std::uint32_t {
    spawn = 1,  // run this command line
    stop = 2,   // SIGTERM to its group and descendants, SIGKILL to all that is left after the grace
};

struct RequestHeader {
    RequestKind kind = RequestKind::spawn;
    std::uint32_t arguments = 0;
    std::uint32_t environment = 0;
    std::uint32_t has_input = 0;
    std::uint64_t id = 0;  // the runner's, never used twice for one guardian
    std::uint64_t text_bytes = 0;
    std::uint64_t grace = 0;  // of a stop; nanoseconds
};

enum class ReportKind : std::uint32_t {
    ready = 1,        // the guardian is up
    ended = 2,        // the command's own process ended (after a stop: and all its kin)
    bad_folder = 3,   // not started: its working folder can't be entered
    bad_program = 4,  // not started: it can't be found or executed
};

struct Report {
    ReportKind kind = ReportKind::ready;
    std::int32_t value = 0;  // ended: the wait status; not started: errno
    std::uint64_t id = 0;
    std::uint64_t stopped = 0;  // ended: 1 when a stop reached it before its end
    std::int64_t started = 0;   // microseconds since 1970
    std::int64_t elapsed = 0;   // microseconds
    char left[128] = {};  // ended: names of what is in its own folder, which goes; cut, with a zero
};

/// The environment entry by which a guardian's processes are known, even when they have left their
/// group, session and parent: `mark_of(name)` begins the entry of all, `mark_of(name, id)` is that
/// of one command.
std::string mark_of(const std::string& name);
std::string mark_of(const std::string& name, std::uint64_t id);

/// A request on its way; owns the descriptors until it is sent.
struct Request {
    RequestHeader header;
    std::string text;
    std::array<Descriptor, most_descriptors> descriptors;
    std::size_t descriptor_count = 0;

    void attach(Descriptor descriptor) {
        descriptors.at(descriptor_count++) = std::move(descriptor);
    }
};

enum class Sent : std::uint8_t {
    done,  // it is the kernel's now
    full,  // the guardian is behind: wait until the socket can be written
    gone,  // the guardian has ended
};

/// Moves a text that is too long for a packet into a memory file.
Result<void> move_long_text(Request& request);
Sent send_request(int socket, const Request& request);

enum class Received : std::uint8_t {
    one,      // the request is filled
    nothing,  // none is waiting
    closed,   // the other end is gone, or speaks another language
};

/// Takes one request without waiting. Descriptors which the process's limit refused are missing
/// from it.
Received receive_request(int socket, Request& request);

/// Both wait for nothing but room in the socket. False when the other end is gone.
bool send_reports(int socket, const std::vector<Report>& reports);
/// Appends all reports that are there.
bool receive_reports(int socket, std::vector<Report>& reports);

}  // namespace fanfold::worker::guardian
