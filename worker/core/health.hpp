// Whether the worker takes work. Its own trouble (no folder, no space, no process, no guardian) is
// no fragment's failure: it rests, the longer the more often, and after repeated trouble, or when
// the broker finds that too much fails here, it takes nothing more until it has passed its check.
// Owned by the core, on its thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "worker/core/step.hpp"

namespace fanfold::worker {

class Health {
public:
    /// It could not run something.
    void trouble(Step& step, const std::string& reason);
    /// The broker doubts it.
    void doubted(Step& step, const std::string& reason);
    /// It has run something.
    void ran() { troubles_ = 0; }
    /// What came of the check that was asked for: why it was not passed, or nothing.
    void take_checked(Step& step, const std::string& why);
    /// Ends a rest that is over, or asks for the check.
    void keep_time(Step& step);

    bool rests() const { return !reason_.empty(); }
    /// Why it takes nothing at present; empty: it is well.
    const std::string& reason() const { return reason_; }
    /// Since it was last asked, whether it takes work.
    bool take_changed() { return std::exchange(changed_, false); }
    Time next_wakeup() const { return until_.value_or(Time::max()); }

private:
    void rest(Step& step, const std::string& reason, Duration time);
    void end_rest(Step& step);

    std::string reason_;
    std::optional<Time> until_;  // it rests; nothing: the check runs, or it is well
    bool must_pass_ = false;     // its check, before it takes work
    bool changed_ = false;
    std::uint32_t troubles_ = 0;  // in a row
    std::uint32_t doubts_ = 0;    // not long ago
    Time doubted_{};
};

}  // namespace fanfold::worker
