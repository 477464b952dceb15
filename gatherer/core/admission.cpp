#include "gatherer/core/admission.hpp"

#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::gatherer {

void Admission::on_keys(wire::AllowedKeys allowed) {
    allowed_.emplace();
    for (auto& key : allowed.keys)
        (*allowed_)[key.public_key] = {
            .user = std::move(key.user), .roles = {key.roles}, .public_key = key.public_key};
}

bool Admission::may_collect(const std::string& user_of_job, const Sender& sender) const {
    const Sender* now = &sender;
    if (allowed_ && !sender.public_key.empty()) {
        auto known = allowed_->find(sender.public_key);
        if (known == allowed_->end()) return false;
        now = &known->second;
    }
    if (now->roles.has(Access::admin)) return true;
    return now->roles.has(Access::submit) && now->user == user_of_job;
}

void Admission::on_denied(Step& step, const Denied& event) {
    note_denied(step, event.sender, event.what);
    if (event.from.bytes.empty()) return;  // by a PULL socket there is no way back
    std::string who =
        event.sender.user.empty() ? "the key of this connection" : "user " + event.sender.user;
    step.actions.push_back(
        Send{.to = event.from,
             .message = wire::Refused{.code = wire::RefusalCode::not_allowed,
                                      .text = who + " may not send " + event.what +
                                              "; its roles: " + to_string(event.sender.roles)}});
}

void Admission::note_denied(Step& step, const Sender& sender, const char* what,
                            std::optional<JobId> job) {
    ++denied_;
    if (!denied_notes_.take(step.now)) return;
    std::string who = sender.user.empty()
                          ? "key " + sender.public_key + ", which is not let in"
                          : "user " + sender.user + " (" + to_string(sender.roles) + ")";
    step.actions.push_back(Note{
        .level = Level::warn,
        .what = "denied",
        .job = job,
        .peer = sender.user,
        .detail = std::string(what) + ", by " + who + "; " + std::to_string(denied_) + " so far"});
}

bool Admission::strike(Step& step, const Offence& offence) {
    const auto& [from, sender, what, why, bytes] = offence;
    auto verdict = misbehaviour_.count(blamed(from, sender), step.now, bytes);
    std::string text = verdict.cut_off ? cut_off_text() : why;
    if (verdict.log)
        step.actions.push_back(
            Note{.level = Level::warn,
                 .what = verdict.cut_off ? "a peer is cut off" : what,
                 .peer = to_string(from),
                 .detail = (sender.user.empty() ? "" : "user " + sender.user + ": ") + text +
                           and_more(*verdict.log)});
    if (!verdict.cut_off || from.bytes.empty()) return false;
    step.actions.push_back(
        Send{.to = from,
             .message = wire::Refused{.code = wire::RefusalCode::not_allowed, .text = text}});
    return true;
}

}  // namespace fanfold::gatherer
