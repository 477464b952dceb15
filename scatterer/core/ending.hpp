// The end of a job whose broker has ended it, where its gatherer does not say the last word. Pure
// functions.
#pragma once

#include <optional>
#include <string>

#include "scatterer/core/collection.hpp"

namespace fanfold::scatterer {

/// The broker's word, made one on what was delivered here. Without a collection nothing was.
wire::Concluded end_of(const wire::Ended& ended, const Collection* collection);

/// A gatherer that says nothing about a job that the broker has ended.
struct MuteGatherer {
    const wire::GathererRef* gatherer = nullptr;  // if it is known
    Duration silent{};                            // since the job has ended
};
enum class Verdict : std::uint8_t {
    wait,      // it may speak yet
    conclude,  // the broker's word counts: nothing that was promised is lacking
    lost,      // results were promised, and do not come
};
/// Nobody waits for ever; but what the gatherer has and did not send is never passed off as
/// delivered.
Verdict judge(const wire::Ended& ended, const Collection& collection, const MuteGatherer& mute);

/// What the user of a job reads whose results are lost.
std::string lost_text(const wire::Ended& ended, const wire::GathererRef* gatherer);

}  // namespace fanfold::scatterer
