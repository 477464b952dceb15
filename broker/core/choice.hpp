// Which gatherer gets a job. Pure functions of the sessions and the jobs.
#pragma once

#include <string>

#include "broker/state/owners.hpp"
#include "shared/base/ids.hpp"

namespace fanfold::broker {

/// For a new job the preferred one, else the one with the fewest running jobs; one that is drained
/// only where there is no other. Empty: none is here.
PeerId choose_gatherer(const Owners& owners, const std::string& preferred);
/// For the jobs of this one, which is drained: another that can take them, likewise. Where this one
/// has a store, only one that has a store, too.
PeerId choose_other_gatherer(const Owners& owners, const PeerId& gatherer);

}  // namespace fanfold::broker
