// Cgroups of version 2, as far as processes are found and killed by them: what is started in one
// stays in it, however often it forks, whatever it takes out of its environment. Plain functions
// over the system's files; any thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "shared/base/result.hpp"
#include "worker/guardian/descriptor.hpp"

namespace fanfold::worker {

/// The folder of this process's own cgroup, if it may make others below it, start processes in them
/// and kill them: tried out once, by a fork, so before there are threads. The Error says why not.
Result<std::string> find_cgroup();

/// Makes it. Its file of processes, to which a process writes 0 to move into it; closed if it can't
/// be made.
Descriptor make_cgroup(const std::string& path);
/// Kills all in it and below, at once, those that fork meanwhile included.
void kill_cgroup(const std::string& path);
/// Removes it, and those below. False when something in it lives. True when there is none.
bool remove_cgroup(const std::string& path);

/// Of a process, from the root; empty where it can't be told.
std::string cgroup_of(pid_t pid);

}  // namespace fanfold::worker
