#include "broker/state/conduct.hpp"

namespace fanfold::broker {

void Conduct::deny(Step& step, const PeerId& from, const Sender& sender, const std::string& what,
                   std::optional<JobId> job) {
    auto count = users_.deny(sender.user, step.now);
    if (!count) return;
    step.note({.level = Level::warn,
               .what = "denied",
               .job = job,
               .peer = sessions_.name_of(from),
               .detail = what + ", by " + user_text(sender.user) + "; " + std::to_string(*count) +
                         " so far"});
}

void Conduct::deny_aloud(Step& step, const PeerId& from, const Sender& sender,
                         const std::string& what, std::string text) {
    deny(step, from, sender, what);
    strike(step, from, sender, nullptr, {});
    if (from.bytes.empty()) return;
    step.send(from, wire::Refused{.code = wire::RefusalCode::not_allowed, .text = std::move(text)});
}

void Conduct::pass_over(Step& step, const PeerId& from, const std::string& what,
                        std::optional<JobId> job) {
    if (!stale_.take(step.now)) return;
    step.note({.what = "passed over what is stale",
               .job = job,
               .peer = sessions_.name_of(from),
               .detail = what + "; " + std::to_string(stale_.asked()) + " so far"});
}

void Conduct::strike(Step& step, const PeerId& from, const Sender& sender, const char* what,
                     std::string why, std::size_t bytes) {
    auto verdict = misbehaviour_.count(blamed(from, sender), step.now, bytes);
    if (verdict.cut_off) cut_off_ = {from, sender, verdict.log};
    else if (verdict.log && what != nullptr)
        step.note({.level = Level::warn,
                   .what = what,
                   .peer = to_string(from),
                   .detail = std::move(why) + and_more(*verdict.log)});
}

std::vector<PeerId> Conduct::take_cut_off(Step& step) {
    if (!cut_off_) return {};
    CutOff cut = *std::exchange(cut_off_, std::nullopt);
    std::string who = blamed(cut.from, cut.sender);
    std::set<PeerId> peers;
    if (!cut.from.bytes.empty()) peers.insert(cut.from);
    if (!cut.sender.public_key.empty())
        for (const auto& [peer, session] : sessions_.all())
            if (blamed(peer, session.sender) == who) peers.insert(peer);
    std::string text = cut_off_text();
    if (cut.log)
        step.note({.level = Level::warn,
                   .what = "a peer is cut off",
                   .peer = to_string(cut.from),
                   .detail = (cut.sender.user.empty() ? "" : "user " + cut.sender.user + ": ") +
                             text + and_more(*cut.log)});
    for (const PeerId& peer : peers)
        step.send(peer, wire::Refused{.code = wire::RefusalCode::not_allowed, .text = text});
    return {peers.begin(), peers.end()};
}

}  // namespace fanfold::broker
