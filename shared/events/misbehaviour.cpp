#include "shared/events/misbehaviour.hpp"

#include <algorithm>
#include <utility>

namespace fanfold {

std::string blamed(const PeerId& from, const Sender& sender) {
    if (!sender.public_key.empty()) return "key " + sender.public_key;
    return from.bytes.empty() ? std::string() : "connection " + from.bytes;
}

std::string and_more(std::uint64_t left_out) {
    return left_out == 0 ? "" : ", and " + std::to_string(left_out) + " more like it";
}

std::string cut_off_text() {
    using std::chrono::seconds, std::to_string;
    return "cut off for " + to_string(seconds(limits::cut_off_time).count()) +
           " s: " + to_string(limits::misbehaviour_strikes) + " messages within " +
           to_string(seconds(limits::misbehaviour_window).count()) +
           " s were none, or none that it may send";
}

Misbehaviour::Verdict Misbehaviour::count(const std::string& who, Time now, std::size_t bytes) {
    ++counted_;
    Verdict verdict;
    if (!who.empty()) {
        Peer& known = peer(who);
        const std::size_t weight = 1 + bytes / limits::misbehaviour_bytes;
        double worn = std::chrono::duration<double>(now - known.counted) /
                      std::chrono::duration<double>(limits::misbehaviour_window);
        known.strikes = std::max(0.0, known.strikes - worn * limits::misbehaviour_strikes) +
                        static_cast<double>(weight);
        known.counted = now;
        verdict.cut_off = known.strikes >= limits::misbehaviour_strikes;
        if (verdict.cut_off) {
            known.strikes = 0;
            known.ignored_until = ignored_until_ = now + limits::cut_off_time;
        }
    }
    verdict.log = (verdict.cut_off ? cut_offs_ : lines_).take(now);
    return verdict;
}

bool Misbehaviour::ignores(const PeerId& from, const Sender& sender, Time now) const {
    if (now >= ignored_until_) return false;
    const std::string who = blamed(from, sender);
    auto is_ignored = [&](const Peers& peers) {
        auto it = peers.find(who);
        return it != peers.end() && now < it->second.ignored_until;
    };
    return is_ignored(recent_) || is_ignored(older_);
}

Misbehaviour::Peer& Misbehaviour::peer(const std::string& who) {
    if (auto it = recent_.find(who); it != recent_.end()) return it->second;
    if (recent_.size() >= limits::misbehaviour_peers / 2) older_ = std::exchange(recent_, {});
    Peer known;
    if (auto it = older_.find(who); it != older_.end()) {
        known = it->second;
        older_.erase(it);
    }
    return recent_[who] = known;
}

}  // namespace fanfold
