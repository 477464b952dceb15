// How long fragments take: of a job, of a function whoever offers it, and on which worker; and how
// many second attempts a function may still have. Owned by the core's thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "broker/state/job.hpp"
#include "broker/state/session.hpp"

namespace fanfold::broker {

class Estimates {
public:
    /// A run on the worker, of so many fragments with values of so many bytes.
    struct Run {
        std::uint64_t count = 0;
        Duration busy{};
        std::uint64_t bytes = 0;
    };
    void learn(Job& job, Session& worker, const Run& run);
    /// An attempt that failed.
    void learn_failure(Job& job, Duration elapsed) { job.learnt.write()->times.learn(1, elapsed); }
    /// What a failed fragment wrote: others may write as much.
    void learn_output(Job& job, std::uint64_t bytes) {
        job.learnt.write()->output_bytes = static_cast<double>(bytes);
    }
    void forget(Job& job) { job.learnt.write()->times = {}; }
    /// The worker's session before had learnt this.
    void take_over(Session& worker, const Session& before) {
        *worker.paces.write() = *before.paces;
    }

    /// Nanoseconds a fragment; 0: not known.
    double each(const Job& job) const;
    /// How much longer this worker takes than others.
    double pace(const Job& job, const Session& worker) const;
    /// A time that 95 % of the fragments stay below, if that is known.
    std::optional<Duration> p95(const Job& job) const;

    /// So many fragments were dispatched: second attempts are a part of them.
    void earn(const Job& job, std::uint32_t fragments);
    bool has_second(const Job& job) const;
    void spend_second(const Job& job) { functions_[job.spec->function].hedges -= 1; }

private:
    struct Function {
        RunTimeEstimate times;
        double hedges = 0;  // second attempts that it may still have
    };
    std::map<std::string, Function> functions_;
};

}  // namespace fanfold::broker
