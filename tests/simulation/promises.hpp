// What servers with disks have said of jobs: no later life of theirs may say otherwise. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "shared/base/ids.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::simulation {

class Promises {
public:
    /// What is wrong with it after all that was said before; empty if nothing.
    std::string say(const wire::Message& message);
    /// The broker has said that it has the job's fragments below.
    Index accepted(const JobId& job) { return said_[job].accepted; }

private:
    struct Said {
        Index accepted = 0;
        std::optional<std::uint64_t> total;
        std::optional<wire::Outcome> ended;
        std::optional<wire::Concluded> concluded;
    };
    std::string hold_to(const wire::Accepted& message);
    std::string hold_to(const wire::Sealed& message);
    std::string hold_to(const wire::Ended& message);
    std::string hold_to(const wire::Concluded& message);

    std::map<JobId, Said> said_;
};

}  // namespace fanfold::simulation
