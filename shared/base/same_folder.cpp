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

/// Those whose source names their server, and whose inodes are the server's.
constexpr std::array<std::string_view, 7> shared_types{"nfs",  "nfs4",   "cifs",          "smb3",
                                                       "ceph", "lustre", "fuse.glusterfs"};

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

std::string numbered(const std::string& what, const struct stat& folder) {
    return what.empty() ? what : what + " " + std::to_string(folder.st_ino);
}

/// What it is on this host, until it is started again.
std::string host_line(const struct stat& folder) {
    static const std::string boot = [] {
        std::string id;
        std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
        return id;
    }();
    return boot.empty() ? boot : numbered(boot + " " + std::to_string(folder.st_dev), folder);
}

std::string share_line(const struct stat& folder) {
    return numbered(share_of(folder.st_dev), folder);
}

bool stat_folder(const std::string& path, struct stat& folder) {
    return ::stat(path.c_str(), &folder) == 0 && S_ISDIR(folder.st_mode);
}

bool has_line(const std::string& text, const std::string& line) {
    return !line.empty() && ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

std::string identity_of_folder(const std::string& path) {
    struct stat folder {};
    if (!stat_folder(path, folder)) return {};
    std::string identity;
    for (const std::string& line : {host_line(folder), share_line(folder)})
        if (!line.empty()) identity += line + "\n";
    return identity.size() <= limits::identity_bytes ? identity : std::string();
}

bool is_folder(const std::string& path, const std::string& identity) {
    struct stat folder {};
    if (!stat_folder(path, folder)) return false;
    // Nearly always the first, which needs no list of mounts.
    const bool same =
        has_line(identity, host_line(folder)) || has_line(identity, share_line(folder));
    return same && ::access(path.c_str(), W_OK | X_OK) == 0;
}

}  // namespace fanfold
