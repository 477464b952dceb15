// Peers that talk nonsense: counted, and past a limit cut off for a while.
#include <utility>

#include "broker/core/core.hpp"

namespace fanfold::broker {

bool Core::is_ignored(const PeerId& from, const Sender& sender) const {
    return !nonsense_.ignores_nobody(now_) && nonsense_.ignores(blamed(from, sender), now_);
}

/// One more message that is nonsense; without a line about it where `what` is null, since there is
/// one already. Whoever is cut off for it still has its session until the end of the step.
void Core::strike(const PeerId& from, const Sender& sender, const char* what, std::string why,
                  std::size_t bytes) {
    auto verdict = nonsense_.count(blamed(from, sender), now_, bytes);
    if (verdict.cut_off) cut_off_ = {from, sender, verdict.log};
    else if (verdict.log && what != nullptr)
        note({.level = Level::warn,
              .what = what,
              .peer = to_string(from),
              .detail = std::move(why) + and_more(*verdict.log)});
}

/// Its sessions end, and what they had on loan is queued at once: it did not crash anybody. Other
/// connections with the same key are told, too.
void Core::cut_off() {
    CutOff cut = *std::exchange(cut_off_, std::nullopt);
    std::string who = blamed(cut.from, cut.sender);
    std::set<PeerId> peers;
    if (!cut.from.bytes.empty()) peers.insert(cut.from);
    if (!cut.sender.public_key.empty())
        for (const auto& [peer, session] : sessions_)
            if (blamed(peer, session.sender) == who) peers.insert(peer);
    std::string text = cut_off_text();
    if (cut.log)
        note({.level = Level::warn,
              .what = "a peer is cut off",
              .peer = to_string(cut.from),
              .detail = (cut.sender.user.empty() ? "" : "user " + cut.sender.user + ": ") + text +
                        and_more(*cut.log)});
    for (const PeerId& peer : peers) {
        send(peer, wire::Refused{.code = wire::RefusalCode::not_allowed, .text = text});
        lose(peer, "it is cut off", true);
    }
}

}  // namespace fanfold::broker
