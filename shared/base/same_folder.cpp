#include "shared/base/same_folder.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>

#include "shared/base/limits.hpp"

namespace fanfold {

namespace {

constexpr std::array<std::string_view, 12> shared_types{
    "nfs",  "nfs4",   "cifs",           "smb3",       "ceph", "lustre",
    "gpfs", "beegfs", "fuse.glusterfs", "fuse.sshfs", "afs",  "9p"};

std::string boot_of_this_host() {
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    return boot;
}

/// Type and source of what is mounted there, if other hosts may have it, too: proc(5), mountinfo.
std::string share_of(dev_t device) {
    const std::string wanted = std::to_string(major(device)) + ":" + std::to_string(minor(device));
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string number, parent, mounted, word, type, source;
        words >> number >> parent >> mounted;
        if (mounted != wanted) continue;
        while (words >> word && word != "-") {
        }
        words >> type >> source;
        const bool shared = std::ranges::find(shared_types, type) != shared_types.end();
        return shared ? type + " " + source : std::string();
    }
    return {};
}

}  // namespace

std::string identity_of_folder(const std::string& path) {
    struct stat folder {};
    if (::stat(path.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) return {};
    static const std::string boot = boot_of_this_host();
    const std::string inode = " " + std::to_string(folder.st_ino) + "\n";
    std::string identity;
    if (!boot.empty()) identity = boot + " " + std::to_string(folder.st_dev) + inode;
    if (const std::string share = share_of(folder.st_dev); !share.empty())
        identity += share + inode;
    return identity.size() <= limits::identity_bytes ? identity : std::string();
}

bool is_folder(const std::string& path, const std::string& identity) {
    std::istringstream wanted(identity);
    std::string own = "\n" + identity_of_folder(path);
    for (std::string line; std::getline(wanted, line);)
        if (!line.empty() && own.find("\n" + line + "\n") != std::string::npos)
            return ::access(path.c_str(), W_OK | X_OK) == 0;
    return false;
}

}  // namespace fanfold
