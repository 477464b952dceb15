#include "worker/guardian/cgroups.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>
#include <system_error>

namespace fanfold::worker {
namespace {

/// Where the hierarchy is mounted, and which of its cgroups is seen there as the root.
struct Mount {
    std::string folder;
    std::string root;
};

Mount find_mount() {
    std::ifstream file("/proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.find(" - cgroup2 ") == std::string::npos) continue;
        std::istringstream fields(line);
        std::string skipped;
        Mount mount;
        fields >> skipped >> skipped >> skipped >> mount.root >> mount.folder;
        return mount;
    }
    return {};
}

/// By trying it: who may do so is decided by owners, namespaces and the kind of the cgroup.
bool takes_processes(const Descriptor& processes) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(::write(processes.get(), "0", 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

}  // namespace

Result<std::string> find_cgroup() {
    const Mount mount = find_mount();
    if (mount.folder.empty()) return fail("no cgroup v2 is mounted");
    std::string own = cgroup_of(::getpid());
    if (mount.root != "/") {
        if (!own.starts_with(mount.root)) return fail("its cgroup is not mounted");
        own.erase(0, mount.root.size());
    }
    if (own.find("/..") != std::string::npos) return fail("its cgroup is not mounted");
    std::string folder = mount.folder + (own == "/" ? "" : own);
    const std::string trial = folder + "/fanfold-trial-" + std::to_string(::getpid());
    const Descriptor processes = make_cgroup(trial);
    if (!processes.open())
        return fail("none can be made below " + folder + ": " +
                    std::generic_category().message(errno));
    const bool can_kill = ::access((trial + "/cgroup.kill").c_str(), W_OK) == 0;
    const bool can_start = can_kill && takes_processes(processes);
    remove_cgroup(trial);
    if (!can_kill) return fail("this kernel can't kill one (cgroup.kill)");
    if (!can_start) return fail("no process may be started in one below " + folder);
    return folder;
}

Descriptor make_cgroup(const std::string& path) {
    if (::mkdir(path.c_str(), S_IRWXU) < 0) return {};
    return Descriptor(::open((path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
}

void kill_cgroup(const std::string& path) {
    const Descriptor file(::open((path + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
    if (file.open()) [[maybe_unused]]
        const auto written = ::write(file.get(), "1", 1);
}

bool remove_cgroup(const std::string& path) {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return true;
    // Its files can't be removed, and need not be; cgroups below it do.
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
    while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
        const std::string_view name(entry->d_name);
        if (entry->d_type == DT_DIR && name != "." && name != "..")
            remove_cgroup(path + "/" + std::string(name));
    }
    return ::rmdir(path.c_str()) == 0 || errno == ENOENT;
}

std::string cgroup_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("0::")) return line.substr(3);
    }
    return {};
}

}  // namespace fanfold::worker
