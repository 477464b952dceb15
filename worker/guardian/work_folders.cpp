#include "worker/guardian/work_folders.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace fanfold::worker::guardian {

std::string WorkFolders::make(std::uint64_t id) const {
    std::string path = path_of(id);
    if (::mkdir(path.c_str(), S_IRWXU) == 0) return path;
    // Somebody has tidied up.
    const bool again = errno == ENOENT && ::mkdir(base_.c_str(), S_IRWXU) == 0;
    return again && ::mkdir(path.c_str(), S_IRWXU) == 0 ? path : std::string();
}

void WorkFolders::drop(std::uint64_t id) {
    if (!wanted()) return;
    const std::string path = path_of(id);
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return;
    const pid_t remover = ::fork();
    if (remover > 0) removers_.insert(remover);
    if (remover != 0) return;
    std::error_code ignored;  // what is left goes with the base folder
    std::filesystem::remove_all(path, ignored);
    ::_exit(0);
}

void WorkFolders::drop_all() const {
    std::error_code ignored;  // the worker tries it again
    if (wanted()) std::filesystem::remove_all(base_, ignored);
}

}  // namespace fanfold::worker::guardian
