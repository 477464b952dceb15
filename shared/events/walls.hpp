// The gatherers that a peer can't connect to, as its sockets tell: what its heartbeats name. A
// connection that breaks and is made again within a few seconds is no wall. Pure, of one entry for
// each gatherer that the peer has a socket to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/base/lived_time.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold {

/// The shell has a connection to the gatherer now, or has none and tries.
struct Reach {
    std::string gatherer;
    std::string endpoint;
    bool reached = false;
};

class Walls {
public:
    /// From when on it is one.
    static constexpr Duration patience = std::chrono::seconds(3);

    void change(const Reach& reach, LivedTime lived) {
        if (reach.reached) walls_.erase(reach.gatherer);
        else walls_.try_emplace(reach.gatherer, Wall{reach.endpoint, lived});
    }
    bool empty() const { return walls_.empty(); }
    std::vector<wire::Unreached> list(LivedTime lived) const {
        std::vector<wire::Unreached> list;
        for (const auto& [gatherer, wall] : walls_)
            if (lived - wall.since >= patience && list.size() < limits::gatherers)
                list.push_back(
                    {.gatherer = gatherer,
                     .endpoint = wall.endpoint,
                     .since = std::chrono::floor<wire::Milliseconds>(lived - wall.since)});
        return list;
    }

private:
    struct Wall {
        std::string endpoint;
        LivedTime since{};
    };
    std::map<std::string, Wall> walls_;
};

}  // namespace fanfold
