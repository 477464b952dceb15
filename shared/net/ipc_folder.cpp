#include "shared/net/ipc_folder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace fanfold::net {

namespace {
constexpr std::string_view scheme = "ipc://";

std::string folder_of(const std::string& path) {
    auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}
}  // namespace

Result<void> check_ipc_folder(const std::string& endpoint, IpcFolder use) {
    if (!endpoint.starts_with(scheme)) return {};
    std::string folder = folder_of(endpoint.substr(scheme.size()));
    auto refuse = [&](const std::string& reason) {
        return fail("its folder " + folder + " " + reason +
                    "; make one of your own with: mkdir -m 700 FOLDER");
    };
    const bool binds = use == IpcFolder::for_binding;
    struct stat found {};
    if (stat(folder.c_str(), &found) != 0) {
        if (errno == ENOENT)
            return fail("there is no folder " + folder +
                        (binds ? "; make it with: mkdir -m 700 " + folder
                               : ", so nobody listens in it; look for the endpoint in the line " +
                                     std::string("that the broker printed when it was ready")));
        return refuse(std::string("can't be looked at: ") + std::strerror(errno));
    }
    if (!S_ISDIR(found.st_mode)) return refuse("is no folder");
    if (found.st_uid != geteuid() && (binds || found.st_uid != 0))
        return refuse("belongs to another user");
    // Where others may write, one of them can put a socket of his own in the place of ours.
    if (binds && (found.st_mode & 0077) != 0)
        return fail("its folder " + folder + " is open to other users; close it with: chmod 700 " +
                    folder + ", or make another with: mkdir -m 700 FOLDER");
    if ((found.st_mode & 0022) != 0) return refuse("can be written by other users");
    return {};
}

}  // namespace fanfold::net
