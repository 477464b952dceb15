#include "worker/commands/find_guardian.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

namespace fanfold::worker {

std::string find_guardian() {
    if (const char* named = std::getenv("FANFOLD_GUARDIAN"); named != nullptr && *named != '\0')
        return named;
    std::vector<std::filesystem::path> places;
    std::error_code error;
    const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
    if (!error) {
        places.push_back(folder / "fanfold-guardian");
        places.push_back(folder / "../libexec/fanfold/fanfold-guardian");
        places.push_back(folder / "../bin/fanfold-guardian");  // of what is built beside it
    }
#ifdef FANFOLD_GUARDIAN_INSTALLED
    places.emplace_back(FANFOLD_GUARDIAN_INSTALLED);
#endif
    for (const auto& place : places) {
        if (::access(place.c_str(), X_OK) == 0) return place.string();
    }
    return {};
}

}  // namespace fanfold::worker
