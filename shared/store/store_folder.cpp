#include "shared/store/store_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "shared/base/result.hpp"

namespace fanfold {

namespace {
/// SQLite's write-ahead log needs shared memory and locks that network filesystems don't give.
bool on_network(const std::string& folder) {
    struct statfs info {};
    if (statfs(folder.c_str(), &info) != 0) return false;
    constexpr unsigned long network[] = {
        0x6969 /* NFS */,     0xff534d42 /* CIFS */,   0xfe534d42 /* SMB2 */,
        0x517b /* SMB */,     0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */,
        0x5346414f /* AFS */, 0x00c36400 /* Ceph */,   0x19830326 /* BeeGFS */};
    for (unsigned long type : network)
        if (static_cast<unsigned long>(info.f_type) == type) return true;
    return false;
}

/// So that what was made in it is still there after a loss of power. Not every filesystem can do
/// it, and a folder may be closed to reading: then there is no way.
void sync_folder(const std::filesystem::path& folder) {
    const int opened =
        open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return;
    const int error = fsync(opened) == 0 ? 0 : errno;
    close(opened);
    if (error != 0 && error != EINVAL)
        refuse_state("cannot write in " + folder.string() + ": " + std::strerror(error) +
                     "; name a folder on a sound disk");
}

void make_store_folder(const std::string& path) {
    std::error_code failed;
    std::vector<std::filesystem::path> made;
    for (std::filesystem::path each = path; !each.empty() && !std::filesystem::exists(each, failed);
         each = each.parent_path())
        made.push_back(each);
    std::filesystem::create_directories(path, failed);
    if (failed)
        refuse_state("cannot make the folder " + path + ": " + failed.message() +
                     "; name one that can be made");
    for (const std::filesystem::path& each : made) sync_folder(each.parent_path());
    if (on_network(path))
        refuse_state(path +
                     " is on a network filesystem, which can't keep a store safe; name a folder on "
                     "a local disk");
}
}  // namespace

void refuse_state(const std::string& why) { throw StartupError("--state: " + why); }

std::string kept_text(const std::string& path, const std::string& first) {
    std::string text;
    if (std::ifstream file(path); std::getline(file, text) && !text.empty()) return text;
    const std::string draft = path + ".new";
    const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const std::string line = first + "\n";
    bool good =
        file >= 0 && write(file, line.data(), line.size()) == std::ssize(line) && fsync(file) == 0;
    if (file >= 0) close(file);
    good = good && rename(draft.c_str(), path.c_str()) == 0;
    if (!good)
        refuse_state("cannot write " + path + ": " + std::strerror(errno) +
                     "; make it writable, or name another folder");
    sync_folder(std::filesystem::path(path).parent_path());
    return first;
}

StoreFolder::StoreFolder(const std::string& database) {
    std::filesystem::path lock(database);
    const std::string folder = lock.parent_path();
    make_store_folder(folder);
    lock_ = open(lock.replace_extension("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ < 0)
        refuse_state("cannot write in " + folder + ": " + std::strerror(errno) +
                     "; make it writable, or name another folder");
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        close(lock_);
        refuse_state("another process holds " + database +
                     "; end it, or name another folder with --state (and, for a second gatherer of "
                     "this host, another --name)");
    }
    // SQLite would let others read it.
    int file = open(database.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        std::string why = std::strerror(errno);
        close(lock_);
        refuse_state("cannot write " + database + ": " + why +
                     "; make it writable, or name another folder");
    }
    close(file);
    sync_folder(folder);
}

StoreFolder::~StoreFolder() { close(lock_); }

}  // namespace fanfold
