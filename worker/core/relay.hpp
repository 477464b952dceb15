// Kept results whose gatherer can't be reached go to it by way of the broker, in their order, as
// many at a time as the broker takes. Owned by the worker's core, on its thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "shared/events/walls.hpp"
#include "worker/core/briefs.hpp"
#include "worker/core/results.hpp"

namespace fanfold::worker {

class Relay {
public:
    /// Nothing is on its way. A credit of 0: this broker passes nothing on.
    void begin_session(std::uint64_t credit) { credit_ = credit, ways_.clear(); }
    /// What may be sent. Looks no more often than limits::resend_check, and when something is
    /// answered.
    void send(Step& step, const Results& results, const Briefs& briefs, const Walls& walls,
              LivedTime lived);
    /// What came of those that were sent has been told before. False: the Mark was another's.
    bool on_marked(Time now, const wire::Marked& marked, const Results& results);

private:
    /// Numbers from here on are of Marks that travel with a relay.
    static constexpr std::uint64_t first_number = std::uint64_t{1} << 63;
    struct Sent {
        JobId job;
        Index first = 0;
        std::uint64_t last_number = 0;
    };
    struct Way {
        std::optional<Sent> sent;  // of one job at a time
        JobId last{};              // the job whose turn it was
        Time not_before{};
        Duration patience{};  // when the next answer, too, finds them not released
    };
    void send(Step& step, const JobId& job, const KeptResults& kept, Way& way);

    std::uint64_t credit_ = 0;
    std::uint64_t number_ = first_number;  // the last one
    std::map<std::string, Way> ways_;      // by gatherer
    Time next_look_{};
};

}  // namespace fanfold::worker
