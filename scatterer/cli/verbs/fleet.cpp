#include "scatterer/cli/verbs/fleet.hpp"

#include <algorithm>
#include <array>

#include "fanfold/embedded.hpp"
#include "scatterer/cli/base/errors.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr std::array<std::string_view, 4> built_in{"fanfold.echo", "fanfold.sleep", "fanfold.fail",
                                                   wire::command_function};

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

Fleet::Fleet(const CommonOptions& common) { connect(common); }

Fleet::Fleet(const CommonOptions& common, const MapOptions& map, Console& console) {
    if (common.broker.empty()) start(common, map, console);
    else connect(common);
}

Fleet::~Fleet() = default;

void Fleet::connect(const CommonOptions& common) {
    connected_.emplace(ConnectOptions{.broker = common.broker,
                                      .connect_timeout = common.connect_timeout,
                                      .name = {},
                                      .keys = common.keys});
    scatterer_ = &*connected_;
}

void Fleet::start(const CommonOptions& common, const MapOptions& map, Console& console) {
    check_function(map);
    embedded_ = std::make_unique<Embedded>(EmbeddedOptions{.slots = map.slots.value_or(0),
                                                           .bind = map.bind,
                                                           .advertise = {},
                                                           .commands = map.declared,
                                                           .allow_exec = true,
                                                           .max_output = map.job.max_output,
                                                           .keys = common.keys,
                                                           .insecure = map.insecure});
    scatterer_ = &embedded_->scatterer();
    if (map.insecure && !map.bind.empty())
        console.say("INSECURE: whoever reaches " + map.bind +
                    " can join the fleet and read its jobs");
    if (!map.bind.empty() && !map.quiet)
        console.say("workers may join with fanfold-worker --broker " + embedded_->endpoint());
}

}  // namespace fanfold::scatterer::cli
