// What a Report says of workers and gatherers; a part of wire_types.hpp, which has the rules.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "shared/wire/wire_types.hpp"

namespace fanfold::wire {

/// A gatherer that is connected.
struct GathererInfo {
    std::string name{};
    std::uint16_t minor = 0;    // the version that it speaks
    std::string address{};      // of its host, where the transport has any
    std::uint64_t running = 0;  // jobs that it gathers,
    std::uint64_t ended = 0;    // and that it keeps, attached ones left out
    bool draining = false;      // it gets no new jobs, and its own go to others
    std::string trouble{};      // why it can store nothing at present, or why its jobs stay
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.name, m.minor, m.address, m.running, m.ended, m.draining, m.trouble);
    };
    static constexpr Bound bounds[] = {at_most("name", limits::name_bytes),
                                       at_most("address", limits::endpoint_bytes),
                                       cut_to("trouble", limits::reason_bytes)};
};

struct WorkerInfo {
    std::string name{};
    std::uint32_t slots = 0;
    std::uint32_t stuck_slots = 0;
    std::uint64_t running = 0;   // fragments on loan
    std::uint64_t finished = 0;  // fragments, since it registered
    std::vector<std::string> functions{};
    Milliseconds silent{0};  // since its last message
    std::vector<std::string> labels{};
    std::vector<Resource> resources{};   // all that it has, taken or not
    bool leaving = false;                // it gets no more work
    std::vector<Unreached> unreached{};  // gatherers: it gets no work of their jobs
    std::string trouble{};               // why it gets none at present
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.name, m.slots, m.stuck_slots, m.running, m.finished, m.functions,
                        m.silent, m.labels, m.resources, m.leaving, m.unreached, m.trouble);
    };
    static constexpr Bound bounds[] = {at_most("name", limits::name_bytes),
                                       texts("functions", limits::named, limits::name_bytes),
                                       texts("labels", limits::named, limits::label_bytes),
                                       list("resources", limits::named),
                                       list("unreached", limits::gatherers),
                                       cut_to("trouble", limits::reason_bytes)};
};

}  // namespace fanfold::wire
