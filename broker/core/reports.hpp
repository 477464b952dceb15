// What there is, for those who ask: jobs, workers, gatherers, as many at a time as one message
// takes. Owned by the core's thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/gathering.hpp"
#include "broker/core/moves.hpp"
#include "broker/state/jobs.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

class Reports {
public:
    Reports(const Jobs& jobs, const Sessions& sessions, const Gathering& gathering,
            const Moves& moves)
        : jobs_(jobs), sessions_(sessions), gathering_(gathering), moves_(moves) {}

    void on_query(Step& step, const PeerId& from, const wire::Query& query) const;

private:
    void add_jobs(Time now, wire::Report& report, const std::vector<JobId>& jobs,
                  const JobId& after) const;
    void add_gatherers(wire::Report& report) const;
    void add_workers(LivedTime lived, wire::Report& report, const std::string& after) const;

    /// The workers that can't reach a gatherer, by its name.
    struct Wall {
        std::size_t workers = 0;
        const Session *first = nullptr, *last = nullptr;
    };
    using Walls = std::map<std::string_view, Wall>;
    Walls walls() const;
    std::string wall_of(const Job& job, const Walls& walls) const;

    const Jobs& jobs_;
    const Sessions& sessions_;
    const Gathering& gathering_;
    const Moves& moves_;
};

}  // namespace fanfold::broker
