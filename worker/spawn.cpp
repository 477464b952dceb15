#include "worker/spawn.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace fanfold::worker::guardian {
namespace {

class FileActions {
public:
    FileActions(const Request& request, int null, const char* folder) {
        const auto number = [&](std::size_t at) { return request.descriptors.at(at).get(); };
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawn_file_actions_adddup2(&actions_, request.header.has_input != 0 ? number(2) : null, 0);
        ::posix_spawn_file_actions_adddup2(&actions_, number(0), 1);
        ::posix_spawn_file_actions_adddup2(&actions_, number(1), 2);
        ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
        if (*folder != '\0') ::posix_spawn_file_actions_addchdir_np(&actions_, folder);
    }
    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;

    const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

/// While it lives, this process's environment is the command's, so that PATH is the command's own.
class BorrowedEnvironment {
public:
    explicit BorrowedEnvironment(std::vector<char*>& environment) : own_(environ) { environ = environment.data(); }
    ~BorrowedEnvironment() { environ = own_; }
    BorrowedEnvironment(const BorrowedEnvironment&) = delete;
    BorrowedEnvironment& operator=(const BorrowedEnvironment&) = delete;

private:
    char** own_;
};

/// Where the search of PATH finds the program, seen from `folder`; the name itself if it has a slash.
std::string find_program(const std::string& name, const std::string& folder) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/bin:/usr/bin");
    for (std::string each; std::getline(folders, each, ':');) {
        std::string candidate = (each.empty() ? "." : each) + "/" + name;
        const bool relative = candidate.front() != '/';
        const std::string seen = relative && !folder.empty() ? folder + "/" + candidate : candidate;
        if (::access(seen.c_str(), X_OK) == 0) return candidate;
    }
    return name;
}

/// Zero when a process may work in the folder, else errno.
int folder_error(const char* folder) {
    if (*folder == '\0') return 0;
    const Descriptor opened(::open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!opened.open()) return errno;
    return ::faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

}  // namespace

Spawner::Spawner() : null_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
        positions_.emplace(name_of(*entry), base_.size());
        base_.push_back(*entry);
    }
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
}

Spawner::~Spawner() { ::posix_spawnattr_destroy(&attributes_); }

Spawned Spawner::spawn(Request& request, std::string mark) {
    Spawned spawned;
    if (!complete(request)) {
        spawned.error = EMFILE;
    } else {
        Words words = cut(request, mark);
        const BorrowedEnvironment borrowed(words.environment);
        spawned.error = start(request, words, spawned.pid);
        if (spawned.error == ENOEXEC) spawned.error = start_by_shell(request, words, spawned.pid);
        if (spawned.error != 0) {
            spawned.pid = 0;
            if (const int error = folder_error(words.folder); error != 0) {
                spawned.kind = ReportKind::bad_folder;
                spawned.error = error;
            }
        }
    }
    // The runner sees the end of the output only when nobody but the command holds it.
    for (Descriptor& descriptor : request.descriptors) descriptor.close();
    return spawned;
}

bool Spawner::complete(const Request& request) {
    const bool long_text = request.header.text_bytes > inline_text_bytes;
    return request.descriptor_count == std::size_t{2} + request.header.has_input + (long_text ? 1u : 0u);
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
    for (std::uint32_t count = 0; count < request.header.arguments; ++count) words.arguments.push_back(next());
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

int Spawner::start(const Request& request, Words& words, pid_t& pid) const {
    const FileActions actions(request, null_.get(), words.folder);
    char** arguments = words.arguments.data();
    return ::posix_spawnp(&pid, arguments[0], actions.get(), &attributes_, arguments, words.environment.data());
}

// A script without a first line that names its interpreter belongs to the shell, as with execvp and every shell.
int Spawner::start_by_shell(const Request& request, Words& words, pid_t& pid) const {
    std::string shell = "/bin/sh";
    std::string script = find_program(words.arguments.front(), words.folder);
    Words by_shell{.folder = words.folder, .arguments = {shell.data(), script.data()}, .environment = words.environment};
    by_shell.arguments.insert(by_shell.arguments.end(), words.arguments.begin() + 1, words.arguments.end());
    return start(request, by_shell, pid);
}

}  // namespace fanfold::worker::guardian
