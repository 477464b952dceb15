// Whether two paths are one folder, told by what each says of itself.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "shared/base/same_folder.hpp"

using namespace fanfold;

TEST_CASE("a folder is known by any path to it, and no other folder is it") {
    namespace fs = std::filesystem;
    const fs::path base = fs::temp_directory_path() / ("folders-" + std::to_string(::getpid()));
    fs::create_directories(base / "one");
    fs::create_directories(base / "two");
    fs::create_directory_symlink(base / "one", base / "link");
    const std::string one = identity_of_folder(base / "one");
    CHECK(!one.empty());
    CHECK(is_folder(base / "one", one));
    CHECK(is_folder(base / "link", one));
    CHECK(is_folder(base / "two" / ".." / "one", one));
    CHECK_FALSE(is_folder(base / "two", one));
    CHECK_FALSE(is_folder(base / "none", one));
    CHECK_FALSE(is_folder(base / "one", ""));
    CHECK_FALSE(is_folder(base / "one", one.substr(0, one.size() - 2)));
    CHECK(identity_of_folder(base / "none").empty());
    // Another host's line beside its own does no harm.
    CHECK(is_folder(base / "one", "nfs4 server:/export 7\n" + one));
    CHECK_FALSE(is_folder(base / "one", "nfs4 server:/export 7\n"));
    if (::geteuid() != 0) {
        ::chmod((base / "one").c_str(), S_IRUSR | S_IXUSR);
        CHECK_FALSE(is_folder(base / "one", one));
        ::chmod((base / "one").c_str(), S_IRWXU);
    }
    fs::remove_all(base);
}
