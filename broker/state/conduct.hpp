// How peers behave: what they may not do, what is late or comes again, and misbehaviour, for which
// they are cut off. All of it is counted, and told to the log at a limited rate. Owned by the
// core's thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/state/sessions.hpp"
#include "broker/state/users.hpp"
#include "shared/base/token_bucket.hpp"
#include "shared/events/misbehaviour.hpp"

namespace fanfold::broker {

class Conduct {
public:
    Conduct(const Sessions& sessions, Users& users) : sessions_(sessions), users_(users) {}

    /// What a sender may not do is passed over.
    void deny(Step& step, const PeerId& from, const Sender& sender, const std::string& what,
              std::optional<JobId> job = {});
    /// It counts as nonsense too, and the peer is told, where its connection is known.
    void deny_aloud(Step& step, const PeerId& from, const Sender& sender, const std::string& what,
                    std::string text);
    /// Something that is late, or comes again, does nothing.
    void pass_over(Step& step, const PeerId& from, const std::string& what,
                   std::optional<JobId> job = {});
    /// One more message that is nonsense, of which so many bytes had to be looked at. Without a
    /// line about it where `what` is null, since there is one already.
    void strike(Step& step, const PeerId& from, const Sender& sender, const char* what,
                std::string why, std::size_t bytes = 0);

    bool is_ignored(const PeerId& from, const Sender& sender, Time now) const {
        return misbehaviour_.ignores(from, sender, now);
    }
    /// The connections of the peer that was cut off in this step, each of which has been told:
    /// their sessions are to end. Those with the same key are among them.
    std::vector<PeerId> take_cut_off(Step& step);

    const Misbehaviour& misbehaviour() const { return misbehaviour_; }
    std::uint64_t stale() const { return stale_.asked(); }

private:
    const Sessions& sessions_;
    Users& users_;
    Misbehaviour misbehaviour_;
    TokenBucket stale_;  // messages of an earlier life, round, assignment or attempt
    struct CutOff {
        PeerId from;
        Sender sender;
        std::optional<std::uint64_t> log;
    };
    std::optional<CutOff> cut_off_;
};

}  // namespace fanfold::broker
