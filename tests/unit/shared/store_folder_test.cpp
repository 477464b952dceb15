// What a store's folder has done by the time that it is open: its entry is on the disk.
#include "shared/store/store_folder.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/store_harness.hpp"

using namespace fanfold;
using namespace fanfold::store_testing;

namespace {
std::mutex mutex;
std::vector<std::string> synced;

bool was_synced(const std::string& path) {
    const std::lock_guard lock(mutex);
    return std::find(synced.begin(), synced.end(), path) != synced.end();
}
}  // namespace

/// In the place of the C library's: notes which file it was.
extern "C" int fsync(int descriptor) {
    {
        const std::lock_guard lock(mutex);
        std::error_code ignored;
        synced.push_back(
            std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor), ignored));
    }
    return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

TEST_CASE("store folder: what is made for it is written to the disk, up to what was there") {
    const Folder folder;
    const std::string top = std::filesystem::canonical(folder.path());
    const StoreFolder made(top + "/a/b/test.db");
    CHECK(was_synced(top));
    CHECK(was_synced(top + "/a"));
    CHECK(was_synced(top + "/a/b"));
    CHECK_FALSE(was_synced(std::filesystem::path(top).parent_path()));
}

TEST_CASE("store folder: a relative one is made beneath where the program works") {
    const Folder folder;
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path());
    {
        const StoreFolder made("state/test.db");
        CHECK(std::filesystem::exists("state/test.lock"));
    }
    std::filesystem::current_path(before);
    CHECK(was_synced(std::filesystem::canonical(folder.path())));
}

TEST_CASE("store folder: a name that was made for it once is kept in it") {
    const Folder folder;
    const std::string path = folder.path() + "/test.name";
    CHECK(kept_text(path, "host-k3x9ab") == "host-k3x9ab");
    CHECK(kept_text(path, "host-000000") == "host-k3x9ab");
    CHECK(was_synced(path + ".new"));
    CHECK_THROWS_AS((void)kept_text(folder.path() + "/none/test.name", "x"), StartupError);
}
