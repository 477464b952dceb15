#include "scatterer/cli/verbs/fleet.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "fanfold/embedded.hpp"
#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr std::array<std::string_view, 4> built_in{"fanfold.echo", "fanfold.sleep", "fanfold.fail",
                                                   wire::command_function};

// What this program has open beside its commands, and what it opens for one of them: both ends of
// two pipes, or three.
constexpr std::uint64_t own_descriptors = 48;
constexpr std::uint64_t least_descriptors = 40;
constexpr std::uint64_t descriptors_each(bool pipe) { return pipe ? 6 : 4; }

/// So many slots as the limit of open files has room for; 0: one for each processor.
std::uint32_t slots_within_limit(const MapOptions& map, Console& console) {
    const bool many = map.slots && map.slots->number == 0;
    const std::uint32_t asked = many ? limits::most_commands : map.slots ? map.slots->number : 0;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return asked;
    const std::string it_is = "the limit of open files is " + std::to_string(limit.rlim_cur);
    if (limit.rlim_cur < least_descriptors)
        throw SystemError(it_is + ", and the program itself needs " +
                          std::to_string(least_descriptors) + "; raise it with ulimit -n");
    if (!map.function.empty()) return asked;
    const std::uint32_t wanted =
        map.slots ? asked : std::max(1u, std::thread::hardware_concurrency());
    const std::uint64_t each = descriptors_each(map.command.pipe);
    const std::uint64_t left =
        limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, own_descriptors);
    const std::uint64_t most = std::max<std::uint64_t>(1, left / each);
    if (wanted <= most) return asked;
    if (!map.quiet && !many)
        console.say("fragments at a time: " + std::to_string(most) + " instead of " +
                    std::to_string(wanted) + ": " + it_is + ", and each command takes " +
                    std::to_string(each) + "; raise it with ulimit -n");
    return static_cast<std::uint32_t>(most);
}

/// Without a door for remote workers nobody else can ever offer the function, and the job would
/// wait for nothing.
void check_function(const MapOptions& map) {
    if (map.function.empty() || !map.bind.empty()) return;
    auto declared = [&](const auto& command) { return command.first == map.function; };
    if (std::any_of(map.declared.begin(), map.declared.end(), declared)) return;
    if (std::find(built_in.begin(), built_in.end(), map.function) != built_in.end()) return;
    throw UsageError(
        "unknown function '" + map.function +
        "': an embedded fleet has fanfold.echo, fanfold.sleep, fanfold.fail and what --declare " +
        map.function +
        "='command' gives it; for a worker's functions name its broker with --broker");
}

}  // namespace

Fleet::Fleet(const CommonOptions& common, Console& console, bool quiet) {
    connect(common, console, quiet);
}

Fleet::Fleet(const CommonOptions& common, const MapOptions& map, Console& console) {
    if (common.broker.empty()) start(common, map, console);
    else connect(common, console, map.quiet);
}

Fleet::~Fleet() = default;

void Fleet::connect(const CommonOptions& common, Console& console, bool quiet) {
    std::function<void(const std::string&)> say;
    if (!quiet) say = [&console](const std::string& text) { console.say(text); };
    connected_.emplace(ConnectOptions{.broker = common.broker,
                                      .connect_timeout = common.connect_timeout,
                                      .give_up = common.give_up,
                                      .name = {},
                                      .keys = common.keys,
                                      .on_notice = std::move(say)});
    scatterer_ = &*connected_;
}

void Fleet::start(const CommonOptions& common, const MapOptions& map, Console& console) {
    check_function(map);
    embedded_ =
        std::make_unique<Embedded>(EmbeddedOptions{.slots = slots_within_limit(map, console),
                                                   .bind = map.bind,
                                                   .advertise = {},
                                                   .commands = map.declared,
                                                   .allow_exec = true,
                                                   .max_output = map.job.max_output,
                                                   .keys = common.keys,
                                                   .insecure = map.insecure,
                                                   .fresh_folders = map.place == Place::fresh});
    scatterer_ = &embedded_->scatterer();
    if (map.insecure && !map.bind.empty())
        console.say("INSECURE: whoever reaches " + map.bind +
                    " can join the fleet and read its jobs");
    if (!map.bind.empty() && !map.quiet)
        console.say("workers may join with fanfold-worker --broker " + embedded_->endpoint());
}

}  // namespace fanfold::scatterer::cli
