#include "worker/guardian/spawn.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "worker/limits.hpp"

namespace fanfold::worker::guardian {
namespace {

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

/// While it lives, this process's environment is the command's, so that PATH is the command's own.
class BorrowedEnvironment {
public:
    explicit BorrowedEnvironment(std::vector<char*>& environment) : own_(environ) {
        environ = environment.data();
    }
    ~BorrowedEnvironment() { environ = own_; }
    BorrowedEnvironment(const BorrowedEnvironment&) = delete;
    BorrowedEnvironment& operator=(const BorrowedEnvironment&) = delete;

private:
    char** own_;
};

// What a child needs to become its command, and where it says why it could not.
struct Child {
    std::array<int, 3> standard{};  // standard input, output and error, as they are numbered here
    int group = -1;                 // of the cgroup to move into; -1: none
    const char* folder = "";
    char** arguments = nullptr;
    const std::pair<int, rlimit>* limits = nullptr;
    std::size_t limit_count = 0;
    ReportKind kind = ReportKind::bad_program;
    int error = 0;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FANFOLD_FOREIGN_STACK __attribute__((no_sanitize("address", "thread")))
#else
#define FANFOLD_FOREIGN_STACK
#endif

/// Runs in the child, in memory that it shares with the guardian, which waits: system calls only,
/// and no way back.
FANFOLD_FOREIGN_STACK int become_command(void* argument) {
    auto& child = *static_cast<Child*>(argument);
    ::setpgid(0, 0);
    // If it fails, the mark in the environment still holds it.
    if (child.group >= 0) [[maybe_unused]]
        const auto moved = ::write(child.group, "0", 1);
    for (int number = 0; number < 3; ++number) {
        if (::dup2(child.standard[static_cast<std::size_t>(number)], number) < 0)
            ::_exit(child.error = errno);
    }
    ::close_range(3, ~0U, 0);
    if (*child.folder != '\0' && ::chdir(child.folder) < 0) {
        child.kind = ReportKind::bad_folder;
        ::_exit(child.error = errno);
    }
    for (std::size_t at = 0; at < child.limit_count; ++at) {
        const auto& [resource, limit] = child.limits[at];
        if (::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) < 0)
            ::_exit(child.error = errno);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // Looks into the PATH of the borrowed environment, and gives a script without a first line to
    // the shell, as every shell does.
    ::execvp(child.arguments[0], child.arguments);
    ::_exit(child.error = errno);
}

/// Never above what this process may have itself.
rlimit limit_of(int resource, rlim_t soft, rlim_t hard) {
    rlimit own{};
    ::getrlimit(static_cast<__rlimit_resource_t>(resource), &own);
    return {.rlim_cur = std::min(soft, own.rlim_max), .rlim_max = std::min(hard, own.rlim_max)};
}

#if defined(__SANITIZE_THREAD__)
/// ThreadSanitizer bears no child that shares its memory: here it is a copy, and shares what it
/// reports alone.
pid_t begin(Child& child, void* stack) {
    void* page =
        ::mmap(nullptr, sizeof child, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return -1;
    auto* shared = new (page) Child(child);
    const pid_t pid = ::clone(become_command, stack, CLONE_VFORK | SIGCHLD, shared);
    child.kind = shared->kind;
    child.error = shared->error;
    ::munmap(page, sizeof child);
    return pid;
}
#else
pid_t begin(Child& child, void* stack) {
    return ::clone(become_command, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
}
#endif

}  // namespace

Spawner::Spawner(const CommandLimits& limits) : null_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
        positions_.emplace(name_of(*entry), base_.size());
        base_.push_back(*entry);
    }
    const auto add = [&](int resource, rlim_t soft, rlim_t hard) {
        limits_.emplace_back(resource, limit_of(resource, soft, hard));
    };
    if (limits.memory != 0) add(RLIMIT_AS, limits.memory, limits.memory);
    if (limits.cpu != 0) add(RLIMIT_CPU, limits.cpu, limits.cpu + limits::cpu_grace);
    if (limits.files != 0) add(RLIMIT_NOFILE, limits.files, limits.files);
}

Spawned Spawner::spawn(Request& request, Place place) {
    Spawned spawned;
    if (!complete(request)) {
        spawned.error = EMFILE;
    } else {
        Words words = cut(request, place.mark);
        if (*words.folder == '\0') words.folder = place.folder.c_str();
        const BorrowedEnvironment borrowed(words.environment);
        start(request, words, place.group, spawned);
    }
    // The runner sees the end of the output only when nobody but the command holds it.
    for (Descriptor& descriptor : request.descriptors) descriptor.close();
    return spawned;
}

bool Spawner::complete(const Request& request) {
    const bool long_text = request.header.text_bytes > inline_text_bytes;
    return request.descriptor_count ==
           std::size_t{2} + request.header.has_input + (long_text ? 1u : 0u);
}

Spawner::Words Spawner::cut(Request& request, std::string& mark) const {
    Words words;
    words.environment = base_;
    char* at = request.text.data();
    const auto next = [&] {
        char* word = at;
        at += std::strlen(word) + 1;
        return word;
    };
    words.folder = next();
    words.arguments.reserve(request.header.arguments + 1);
    for (std::uint32_t count = 0; count < request.header.arguments; ++count)
        words.arguments.push_back(next());
    words.arguments.push_back(nullptr);
    std::unordered_map<std::string_view, std::size_t> added;
    const auto put = [&](char* entry) {
        const auto inherited = positions_.find(name_of(entry));
        if (inherited != positions_.end()) {
            words.environment[inherited->second] = entry;
            return;
        }
        const auto [place, is_new] = added.try_emplace(name_of(entry), words.environment.size());
        if (is_new) words.environment.push_back(entry);
        else words.environment[place->second] = entry;
    };
    for (std::uint32_t count = 0; count < request.header.environment; ++count) put(next());
    put(mark.data());
    words.environment.push_back(nullptr);
    return words;
}

void Spawner::start(const Request& request, Words& words, const Descriptor& group,
                    Spawned& spawned) {
    const auto number = [&](std::size_t at) { return request.descriptors.at(at).get(); };
    Child child{
        .standard = {request.header.has_input != 0 ? number(2) : null_.get(), number(0), number(1)},
        .group = group.get(),
        .folder = words.folder,
        .arguments = words.arguments.data(),
        .limits = limits_.data(),
        .limit_count = limits_.size()};
    const std::size_t bytes = limits::spawn_stack_bytes + words.arguments.size() * sizeof(char*);
    if (stack_.size() * sizeof(stack_[0]) < bytes) stack_.resize(bytes / sizeof(stack_[0]) + 1);
    const pid_t pid = begin(child, stack_.data() + stack_.size());
    spawned = {.pid = pid, .kind = child.kind, .error = pid < 0 ? errno : child.error};
    if (spawned.error == 0) return;
    spawned.pid = 0;
    while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace fanfold::worker::guardian
