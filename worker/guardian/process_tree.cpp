#include "worker/guardian/process_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "worker/guardian/descriptor.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {
namespace {

std::string read_whole(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string content;
    if (!file.open()) return content;
    std::array<char, 4096> buffer;
    for (ssize_t count = 0; (count = ::read(file.get(), buffer.data(), buffer.size())) > 0;) {
        content.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return content;
}

std::vector<Process> list_processes() {
    std::vector<Process> processes;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
    if (!folder) return processes;
    while (const dirent* entry = ::readdir(folder.get())) {
        const std::string_view name(entry->d_name);
        pid_t pid = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) continue;
        if (const auto process = read_process(pid)) processes.push_back(*process);
    }
    return processes;
}

}  // namespace

std::optional<Process> read_process(pid_t pid) {
    const std::string content = read_whole("/proc/" + std::to_string(pid) + "/stat");
    // The second field is the program's name in parentheses, which may itself hold spaces and
    // parentheses.
    const auto name_end = content.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream fields(content.substr(name_end + 1));
    Process process{.pid = pid};
    char state = 0;
    if (!(fields >> state >> process.parent >> process.group)) return std::nullopt;
    std::string skipped;
    for (int field = 6; field < 22; ++field) fields >> skipped;
    if (!(fields >> process.start)) return std::nullopt;
    process.dead = state == 'Z' || state == 'X';
    return process;
}

bool still_runs(const Process& process) {
    const auto now = read_process(process.pid);
    return now && now->start == process.start && !now->dead;
}

bool environment_has(pid_t pid, std::string_view beginning) {
    return environment_entry(pid, beginning).has_value();
}

std::optional<std::string> environment_entry(pid_t pid, std::string_view beginning) {
    const std::string content = read_whole("/proc/" + std::to_string(pid) + "/environ");
    for (std::size_t at = 0; at < content.size();) {
        const auto end = std::min(content.find('\0', at), content.size());
        if (std::string_view(content).substr(at).starts_with(beginning))
            return content.substr(at, end - at);
        at = end + 1;
    }
    return std::nullopt;
}

std::vector<pid_t> children_of_self() {
    const std::string self = std::to_string(::getpid());
    const std::string path = "/proc/self/task/" + self + "/children";
    std::vector<pid_t> children;
    if (::access(path.c_str(), R_OK) == 0) {
        std::istringstream pids(read_whole(path));
        for (pid_t pid = 0; pids >> pid;) children.push_back(pid);
        return children;
    }
    // A kernel without that list.
    for (const Process& process : list_processes()) {
        if (process.parent == ::getpid()) children.push_back(process.pid);
    }
    return children;
}

std::vector<Process> find_with_descendants(const Belongs& belongs) {
    const pid_t self = ::getpid();
    const std::vector<Process> all = list_processes();
    std::unordered_map<pid_t, std::vector<const Process*>> children;
    std::vector<const Process*> waiting;
    for (const Process& process : all) {
        children[process.parent].push_back(&process);
        if (process.pid != self && belongs(process)) waiting.push_back(&process);
    }
    std::vector<Process> found;
    std::unordered_set<pid_t> seen{self};
    while (!waiting.empty()) {
        const Process* process = waiting.back();
        waiting.pop_back();
        if (!seen.insert(process->pid).second) continue;
        if (!process->dead) found.push_back(*process);
        const auto& below = children[process->pid];
        waiting.insert(waiting.end(), below.begin(), below.end());
    }
    return found;
}

std::vector<Process> stop_with_descendants(const Belongs& belongs) {
    std::vector<Process> all;
    std::set<std::pair<pid_t, std::uint64_t>> stopped;
    // What was found once belongs for good: its parent's death changes its parent, not whose it is.
    const Belongs belongs_or_found = [&](const Process& process) {
        return stopped.contains({process.pid, process.start}) || belongs(process);
    };
    for (int round = 0; round < limits::kill_rounds; ++round) {
        bool any_new = false;
        for (const Process& process : find_with_descendants(belongs_or_found)) {
            if (!stopped.insert({process.pid, process.start}).second) continue;
            any_new = true;
            all.push_back(process);
            ::kill(process.pid, SIGSTOP);
        }
        if (!any_new) break;
    }
    return all;
}

void kill_with_descendants(const Belongs& belongs) {
    for (const Process& process : stop_with_descendants(belongs)) ::kill(process.pid, SIGKILL);
}

}  // namespace fanfold::worker
