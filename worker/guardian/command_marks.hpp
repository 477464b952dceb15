// By what a guardian knows its commands' processes when they have left their group, session and
// parent: an entry in their environment, and where there is cgroup v2 a cgroup of each command,
// below one of the guardian's. Commands can take the entry away, but they leave their cgroup only
// on purpose, and where their user may. Belongs to the guardian.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "worker/guardian/descriptor.hpp"

namespace fanfold::worker::guardian {

class CommandMarks {
public:
    struct Options {
        std::string guardian;  // its name
        std::string cgroup;    // the guardian's, for its commands; empty: there is none
    };
    explicit CommandMarks(Options options);

    /// The environment entry of this command.
    std::string entry(std::uint64_t id) const;
    /// Makes the command's cgroup. To be written by its process (cgroups.hpp); closed: there is
    /// none.
    Descriptor make_group(std::uint64_t id) const;
    /// Whose process it is: the cgroup says it, or else the entry.
    std::optional<std::uint64_t> owner(pid_t pid) const;
    /// Kills what is in the command's cgroup.
    void kill(std::uint64_t id) const;
    /// Forgets the command's cgroup. False when something in it lives.
    bool drop(std::uint64_t id) const;
    /// Kills what is in any.
    void kill_all() const;
    void drop_all() const;

private:
    std::string group_of(std::uint64_t id) const;
    std::optional<std::uint64_t> owner_by_cgroup(pid_t pid) const;

    const Options options_;
    const std::string group_mark_;  // of a path in the hierarchy; the command's id follows it
};

}  // namespace fanfold::worker::guardian
