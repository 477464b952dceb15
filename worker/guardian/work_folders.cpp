#include "worker/guardian/work_folders.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "worker/limits.hpp"

namespace fanfold::worker::guardian {

namespace {
std::string names_in(const std::string& path) {
    std::string names;
    std::error_code over;
    for (std::filesystem::directory_iterator entry(path, over), end; !over && entry != end;
         entry.increment(over)) {
        const std::string name = entry->path().filename();
        if (names.size() + name.size() > limits::left_names_bytes) return names + " and more";
        names += (names.empty() ? "" : ", ") + name;
    }
    return names;
}
}  // namespace

std::string WorkFolders::make(std::uint64_t id) const {
    std::string path = path_of(id);
    if (::mkdir(path.c_str(), S_IRWXU) == 0) return path;
    // Somebody has tidied up.
    const bool again = errno == ENOENT && ::mkdir(base_.c_str(), S_IRWXU) == 0;
    return again && ::mkdir(path.c_str(), S_IRWXU) == 0 ? path : std::string();
}

std::string WorkFolders::drop(std::uint64_t id) {
    if (!wanted()) return {};
    const std::string path = path_of(id);
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
    std::string names = names_in(path);
    const pid_t remover = ::fork();
    if (remover > 0) removers_.insert(remover);
    if (remover != 0) return names;
    std::error_code ignored;  // what is left goes with the base folder
    std::filesystem::remove_all(path, ignored);
    ::_exit(0);
}

void WorkFolders::drop_all() const {
    std::error_code ignored;  // the worker tries it again
    if (wanted()) std::filesystem::remove_all(base_, ignored);
}

}  // namespace fanfold::worker::guardian
