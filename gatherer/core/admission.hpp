// Who may do what: a job's results are for its own user and for administrators, and a peer that
// sends what makes no sense is cut off for a while. Owned by the gatherer's core, on its thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "gatherer/core/events.hpp"
#include "gatherer/core/limits.hpp"
#include "shared/base/token_bucket.hpp"
#include "shared/events/misbehaviour.hpp"

namespace fanfold::gatherer {

class Admission {
public:
    /// The table that the broker sent: only its keys are let in from now on.
    void on_keys(wire::AllowedKeys allowed);
    /// As things stand: the sender may have been let in by an earlier table.
    bool may_collect(const std::string& user_of_job, const Sender& sender) const;

    /// A message whose sender may not send it.
    void on_denied(Step& step, const Denied& event);
    /// A note of it, at a limited rate: a peer that asks in vain must not fill the log.
    void note_denied(Step& step, const Sender& sender, const char* what,
                     std::optional<JobId> job = {});
    std::uint64_t denied() const { return denied_; }

    struct Offence {
        PeerId from = {};  // empty: not known by a connection of its own
        Sender sender = {};
        const char* what = "";  // as it stands in the log
        std::string why = {};
        std::size_t bytes = 0;  // of a header that could not be read
    };
    /// One more message that makes no sense. True when the peer is cut off by it, and is known by
    /// its connection: it follows no job any more.
    bool strike(Step& step, const Offence& offence);
    const Misbehaviour& misbehaviour() const { return misbehaviour_; }

private:
    std::optional<std::map<std::string, Sender>> allowed_;  // by public key, once there is a table
    std::uint64_t denied_ = 0;
    TokenBucket denied_notes_{{.interval = limits::note_denied_every}};
    Misbehaviour misbehaviour_;
};

}  // namespace fanfold::gatherer
