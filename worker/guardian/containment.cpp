#include "worker/guardian/containment.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace fanfold::worker {

namespace {
constexpr std::array<std::string_view, 8> always{"PATH", "HOME",    "LANG",  "TZ",
                                                 "USER", "LOGNAME", "SHELL", "TMPDIR"};
}  // namespace

bool passes_to_commands(const Containment& containment, const std::string& name) {
    if (!containment.clean_environment || name.starts_with("LC_")) return true;
    if (std::find(always.begin(), always.end(), name) != always.end()) return true;
    return std::find(containment.kept_names.begin(), containment.kept_names.end(), name) !=
           containment.kept_names.end();
}

std::string to_string(const CommandLimits& limits) {
    std::vector<std::string> options;
    if (limits.memory != 0) options.push_back("--limit-memory " + std::to_string(limits.memory));
    if (limits.cpu != 0) options.push_back("--limit-cpu " + std::to_string(limits.cpu) + "s");
    if (limits.files != 0) options.push_back("--limit-files " + std::to_string(limits.files));
    std::string text;
    for (const std::string& option : options)
        text += (text.empty() ? "" : &option == &options.back() ? " and " : ", ") + option;
    return text;
}

}  // namespace fanfold::worker
