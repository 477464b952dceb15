// Peers that misbehave are counted, logged at a limited rate, and cut off for a while. Pure, of
// bounded size whatever comes, and told the time by each call. On the thread that owns it.
//
// Strikes wear off: a peer that stays below limits::misbehaviour_strikes in
// limits::misbehaviour_window is heard. One that reaches that number is ignored for
// limits::cut_off_time, and begins anew then.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "shared/base/limits.hpp"
#include "shared/base/token_bucket.hpp"
#include "shared/events/events.hpp"

namespace fanfold {

/// Whom a message is held against: the key that its connection has proved, else the connection.
/// Empty: nobody is known.
std::string blamed(const PeerId& from, const Sender& sender);

/// ", and N more like it", where lines were left out.
std::string and_more(std::uint64_t left_out);

/// What a peer hears that is cut off.
std::string cut_off_text();

class Misbehaviour {
public:
    struct Verdict {
        bool cut_off = false;  // it is ignored from now on
        std::optional<std::uint64_t> log =
            {};  // a line may be written; how many were left out before it
    };
    /// One more message that is none, or that its sender may not send, with so many bytes that had
    /// to be read. Nobody is cut off where nobody is known.
    Verdict count(const std::string& who, Time now, std::size_t bytes = 0);

    /// Whether it is cut off, so that what it says need not even be read.
    bool ignores(const PeerId& from, const Sender& sender, Time now) const;

    /// For tests and status: all that were counted, and the peers that are remembered.
    std::uint64_t counted() const { return counted_; }
    std::size_t remembered() const { return recent_.size() + older_.size(); }

private:
    struct Peer {
        double strikes = 0;
        Time counted{};  // when they were
        Time ignored_until{};
    };
    using Peers = std::map<std::string, Peer>;

    Peer& peer(const std::string& who);

    // When there are too many peers, those that were not heard of for longest are forgotten, half
    // of them at once.
    Peers recent_;
    Peers older_;
    Time ignored_until_{};  // nobody is ignored past this
    TokenBucket lines_{{.at_once = limits::misbehaviour_lines}};
    TokenBucket cut_offs_{{.at_once = limits::misbehaviour_lines}};
    std::uint64_t counted_ = 0;
};

}  // namespace fanfold
