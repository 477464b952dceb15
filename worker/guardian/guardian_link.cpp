#include "worker/guardian/guardian_link.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "worker/guardian/cgroups.hpp"
#include "worker/guardian/guardians.hpp"
#include "worker/guardian/process_tree.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker::guardian {
namespace {

constexpr int milliseconds(std::chrono::milliseconds duration) {
    return static_cast<int>(duration.count());
}

/// Unlike any other guardian's: this process, this moment, a count.
std::string new_name() {
    static std::atomic<std::uint64_t> count{0};
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    return std::to_string(::getpid()) + "-" + std::to_string(now) + "-" + std::to_string(++count);
}

/// For commands alone; an empty text, and errno, when it can't be made.
std::string new_folder(const std::string& name) {
    std::error_code error;
    const auto temporary = std::filesystem::temp_directory_path(error);
    std::string folder =
        (error ? std::filesystem::path("/tmp") : temporary) / ("fanfold-commands-" + name);
    return ::mkdir(folder.c_str(), S_IRWXU) == 0 ? folder : std::string();
}

/// The guardian has what its commands get, and no more.
std::vector<char*> environment_for(const Containment& containment) {
    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (passes_to_commands(containment, std::string(text.substr(0, text.find('=')))))
            environment.push_back(*entry);
    }
    environment.push_back(nullptr);
    return environment;
}

class SpawnSetup {
public:
    explicit SpawnSetup(int socket) {
        sigset_t all;
        sigfillset(&all);
        ::posix_spawnattr_init(&attributes);
        // A session of its own, out of reach of a terminal's Ctrl-C; deaf to all signals until it
        // has chosen.
        ::posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setsigmask(&attributes, &all);
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, socket, socket_number);
        ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        // It must not hold open a standard error that somebody reads until its end.
        ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        ::posix_spawn_file_actions_addclosefrom_np(&actions, socket_number + 1);
    }
    ~SpawnSetup() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
    SpawnSetup(const SpawnSetup&) = delete;
    SpawnSetup& operator=(const SpawnSetup&) = delete;

    posix_spawnattr_t attributes{};
    posix_spawn_file_actions_t actions{};
};

bool answers(int socket) {
    pollfd watched{.fd = socket, .events = POLLIN, .revents = 0};
    int ready = 0;
    while ((ready = ::poll(&watched, 1, milliseconds(limits::guardian_answer))) < 0 &&
           errno == EINTR) {
    }
    std::vector<Report> reports;
    return ready == 1 && receive_reports(socket, reports) && !reports.empty() &&
           reports.front().kind == ReportKind::ready;
}

}  // namespace

Result<Link> Link::start(const std::string& program, const Containment& containment) {
    const auto because = [&](const std::string& reason) {
        return fail("cannot start the guardian " + program + ": " + reason +
                    "; name another with FANFOLD_GUARDIAN");
    };
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0) {
        return because(std::generic_category().message(errno));
    }
    Link link;
    link.socket_ = Descriptor(ends[0]);
    // The descriptor's place must not be one that the spawn itself opens anew.
    Descriptor low_end(ends[1]);
    Descriptor far_end(::fcntl(ends[1], F_DUPFD_CLOEXEC, socket_number + 1));
    if (!far_end.open()) return because(std::generic_category().message(errno));
    link.name_ = new_name();
    link.adopts_orphans_ = containment.adopts_orphans;
    std::string parent = std::to_string(::getpid());
    std::string path = program;
    std::string version = wire_version;
    if (auto made = link.make_places(containment); !made) return tl::unexpected(made.error());
    std::string memory = std::to_string(containment.limits.memory);
    std::string cpu = std::to_string(containment.limits.cpu);
    std::string files = std::to_string(containment.limits.files);
    std::array<char*, argument_count + 1> arguments{
        path.data(), version.data(), link.name_.data(),   parent.data(),       memory.data(),
        cpu.data(),  files.data(),   link.folder_.data(), link.cgroup_.data(), nullptr};
    std::vector<char*> environment = environment_for(containment);
    const SpawnSetup setup(far_end.get());
    const int error = ::posix_spawn(&link.pid_, program.c_str(), &setup.actions, &setup.attributes,
                                    arguments.data(), environment.data());
    if (error != 0) {
        link.pid_ = 0;
        return because(std::generic_category().message(error));
    }
    low_end.close();
    far_end.close();
    if (!answers(link.socket())) {
        ::kill(link.pid_, SIGKILL);
        return because("it does not answer as a guardian of this build");
    }
    add_guardian(link.pid_);
    return link;
}

Result<void> Link::make_places(const Containment& containment) {
    if (containment.own_folders) {
        folder_ = new_folder(name_);
        if (folder_.empty()) {
            return fail("cannot make a folder for commands: " +
                        std::generic_category().message(errno) + "; choose where with TMPDIR");
        }
    }
    if (containment.cgroup.empty()) return {};
    const std::string path = containment.cgroup + "/fanfold-commands-" + name_;
    if (make_cgroup(path).open()) cgroup_ = path;  // else the other marks hold its commands
    return {};
}

Link::Link(Link&& other) noexcept
    : socket_(std::move(other.socket_)),
      pid_(std::exchange(other.pid_, 0)),
      name_(std::move(other.name_)),
      folder_(std::exchange(other.folder_, {})),
      cgroup_(std::exchange(other.cgroup_, {})),
      adopts_orphans_(other.adopts_orphans_) {}

Link& Link::operator=(Link&& other) noexcept {
    if (this != &other) {
        end();
        socket_ = std::move(other.socket_);
        pid_ = std::exchange(other.pid_, 0);
        name_ = std::move(other.name_);
        folder_ = std::exchange(other.folder_, {});
        cgroup_ = std::exchange(other.cgroup_, {});
        adopts_orphans_ = other.adopts_orphans_;
    }
    return *this;
}

Link::~Link() { end(); }

void Link::end() {
    if (!socket_.open()) {
        wait_for_exit();
        return remove_places();
    }
    // The guardian reads this as the end; its own end closes when it exits, which the poll below
    // sees.
    ::shutdown(socket_.get(), SHUT_WR);
    rouse();
    const auto give_up = std::chrono::steady_clock::now() + limits::guardian_exit;
    std::vector<Report> unread;
    while (receive_reports(socket_.get(), unread) && std::chrono::steady_clock::now() < give_up) {
        pollfd watched{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        ::poll(&watched, 1, milliseconds(limits::guardian_exit));
    }
    if (pid_ > 0 && std::chrono::steady_clock::now() >= give_up) ::kill(pid_, SIGKILL);
    socket_.close();
    if (!wait_for_exit()) kill_rest();
    remove_places();
}

bool Link::has_space() const {
    struct statvfs system {};
    if (folder_.empty() || ::statvfs(folder_.c_str(), &system) != 0) return true;
    const bool has_names = system.f_files == 0 || system.f_favail > 0;
    return has_names && system.f_bavail * system.f_frsize >= limits::checked_bytes;
}

void Link::rouse() const {
    if (pid_ > 0) ::kill(pid_, SIGCONT);
}

void Link::clean_up() {
    socket_.close();
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    wait_for_exit();
    kill_rest();
    remove_places();
}

/// What bears its mark, wherever it is, and what has come to this process in its place.
void Link::kill_rest() const {
    const std::string mark = mark_of(name_);
    const pid_t self = ::getpid();
    const auto belongs = [&](const Process& process) {
        return (adopts_orphans_ && process.parent == self) || environment_has(process.pid, mark);
    };
    const auto give_up = std::chrono::steady_clock::now() + limits::guardian_last_kill;
    do {
        if (!cgroup_.empty()) kill_cgroup(cgroup_);
        kill_with_descendants(belongs);
        while (adopts_orphans_ && ::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
    } while (!find_with_descendants(belongs).empty() &&
             std::chrono::steady_clock::now() < give_up && ::poll(nullptr, 0, 5) == 0);
}

/// The guardian has done it, unless it was killed.
void Link::remove_places() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(std::exchange(folder_, {}), ignored);
    if (!cgroup_.empty()) remove_cgroup(std::exchange(cgroup_, {}));
}

/// Whether it is known to have ended by itself, with all its commands.
bool Link::wait_for_exit() {
    if (pid_ <= 0) return true;
    remove_guardian(pid_);
    int status = 0;
    // Another part of this program may have waited for it already.
    pid_t ended = 0;
    while ((ended = ::waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

}  // namespace fanfold::worker::guardian
