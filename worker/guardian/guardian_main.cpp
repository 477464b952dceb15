// fanfold-guardian: the process that owns a worker's commands (guardian.hpp). It runs in a session
// of its own and ignores the signals that end its worker.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "worker/guardian/guardian.hpp"
#include "worker/guardian/own_process.hpp"

namespace {

using namespace fanfold::worker;
using namespace fanfold::worker::guardian;

/// Readable when the worker has ended, even if a fork of it still holds the socket. Not open where
/// the kernel is too old, which leaves the socket alone to tell.
Descriptor watch_parent(pid_t parent) {
    Descriptor watch(static_cast<int>(::syscall(SYS_pidfd_open, parent, 0)));
    if (::getppid() != parent) std::exit(EXIT_SUCCESS);
    return watch;
}

/// Whatever the system would do with a dump: one is the size at which it is not even handed to a
/// program.
void forbid_core_dumps() {
    const rlimit none{.rlim_cur = 1, .rlim_max = 1};
    ::setrlimit(RLIMIT_CORE, &none);
}

std::uint64_t number_of(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != argument_count || std::string_view(arguments[argument_version]) != wire_version) {
        std::fprintf(stderr,
                     "fanfold-guardian: fanfold-worker starts this program; the two must be of one "
                     "build (wire %s)\n",
                     wire_version);
        return 2;
    }
    close_to_others();
    forbid_core_dumps();
    adopt_orphans();
    // A command may have stopped this process, and then killed the worker.
    ::prctl(PR_SET_PDEATHSIG, SIGCONT);
    ::fcntl(socket_number, F_SETFD, FD_CLOEXEC);
    const auto parent = static_cast<pid_t>(number_of(arguments[argument_parent]));
    Guardian({.name = arguments[argument_name],
              .parent = watch_parent(parent),
              .limits = {.memory = number_of(arguments[argument_memory]),
                         .cpu = number_of(arguments[argument_cpu]),
                         .files = number_of(arguments[argument_files])},
              .folder = arguments[argument_folder],
              .cgroup = arguments[argument_cgroup]})
        .run();
    return EXIT_SUCCESS;
}
