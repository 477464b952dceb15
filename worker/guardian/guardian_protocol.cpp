#include "worker/guardian/guardian_protocol.hpp"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace fanfold::worker::guardian {
namespace {

bool would_wait(int error) {
    // ETOOMANYREFS: too many descriptors are on their way to a guardian that is behind.
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ETOOMANYREFS;
}

struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> bytes{};
};

void take_descriptors(msghdr& message, Request& request) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t at = 0; at < count; ++at) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(part) + at * sizeof(int), sizeof(int));
            Descriptor descriptor(number);
            if (request.descriptor_count < most_descriptors) request.attach(std::move(descriptor));
        }
    }
}

bool read_long_text(Request& request) {
    const int file = request.descriptors.at(request.descriptor_count - 1).get();
    request.text.resize(request.header.text_bytes);
    for (std::size_t at = 0; at < request.text.size();) {
        const ssize_t count = ::pread(file, request.text.data() + at, request.text.size() - at,
                                      static_cast<off_t>(at));
        if (count <= 0) return false;
        at += static_cast<std::size_t>(count);
    }
    return true;
}

}  // namespace

std::string mark_of(const std::string& name) { return "FANFOLD_GUARDED=" + name + ":"; }

std::string mark_of(const std::string& name, std::uint64_t id) {
    return mark_of(name) + std::to_string(id) + ":";
}

Result<void> move_long_text(Request& request) {
    request.header.text_bytes = request.text.size();
    if (request.text.size() <= inline_text_bytes) return {};
    Descriptor file(::memfd_create("fanfold-command", MFD_CLOEXEC));
    if (!file.open())
        return fail("cannot make a memory file: " + std::generic_category().message(errno));
    for (std::size_t at = 0; at < request.text.size();) {
        const ssize_t count =
            ::write(file.get(), request.text.data() + at, request.text.size() - at);
        if (count < 0)
            return fail("cannot write a memory file: " + std::generic_category().message(errno));
        at += static_cast<std::size_t>(count);
    }
    request.text = {};
    request.attach(std::move(file));
    return {};
}

Sent send_request(int socket, const Request& request) {
    std::array<iovec, 2> parts{
        iovec{const_cast<RequestHeader*>(&request.header), sizeof(RequestHeader)},
        iovec{const_cast<char*>(request.text.data()), request.text.size()}};
    Control control;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = request.text.empty() ? 1 : 2;
    if (request.descriptor_count > 0) {
        const std::size_t bytes = request.descriptor_count * sizeof(int);
        message.msg_control = control.bytes.data();
        message.msg_controllen = CMSG_SPACE(bytes);
        cmsghdr* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(bytes);
        for (std::size_t at = 0; at < request.descriptor_count; ++at) {
            const int number = request.descriptors.at(at).get();
            std::memcpy(CMSG_DATA(part) + at * sizeof(int), &number, sizeof(int));
        }
    }
    while (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EINTR) continue;
        return would_wait(errno) ? Sent::full : Sent::gone;
    }
    return Sent::done;
}

Received receive_request(int socket, Request& request) {
    request = {};
    std::array<char, inline_text_bytes> text;  // filled by the kernel
    std::array<iovec, 2> parts{iovec{&request.header, sizeof(RequestHeader)},
                               iovec{text.data(), text.size()}};
    Control control;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    ssize_t count = 0;
    while ((count = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0) {
        if (errno == EINTR) continue;
        return would_wait(errno) ? Received::nothing : Received::closed;
    }
    take_descriptors(message, request);
    if (static_cast<std::size_t>(count) < sizeof(RequestHeader)) return Received::closed;
    request.text.assign(text.data(), static_cast<std::size_t>(count) - sizeof(RequestHeader));
    const bool descriptors_refused = (message.msg_flags & MSG_CTRUNC) != 0;
    if (request.header.text_bytes > inline_text_bytes && !descriptors_refused) {
        if (request.descriptor_count == 0 || !read_long_text(request)) return Received::closed;
    }
    return Received::one;
}

bool send_reports(int socket, const std::vector<Report>& reports) {
    for (std::size_t at = 0; at < reports.size(); at += most_reports) {
        const std::size_t bytes = std::min(reports.size() - at, most_reports) * sizeof(Report);
        while (::send(socket, &reports[at], bytes, MSG_NOSIGNAL) < 0) {
            if (errno != EINTR) return false;
        }
    }
    return true;
}

bool receive_reports(int socket, std::vector<Report>& reports) {
    std::array<Report, most_reports> packet;
    while (true) {
        const ssize_t bytes = ::recv(socket, packet.data(), sizeof packet, MSG_DONTWAIT);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0) return would_wait(errno);
        if (bytes == 0) return false;
        const auto count =
            static_cast<std::ptrdiff_t>(static_cast<std::size_t>(bytes) / sizeof(Report));
        reports.insert(reports.end(), packet.begin(), packet.begin() + count);
        if (count < static_cast<std::ptrdiff_t>(most_reports)) return true;
    }
}

}  // namespace fanfold::worker::guardian
