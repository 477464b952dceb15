#include "scatterer/client/deliveries.hpp"

#include <utility>

namespace fanfold::scatterer {

namespace {
Stop ended(const JobId& job, wire::Outcome outcome, const std::string& reason) {
    return {.kind = Stop::Kind::ended,
            .why = "job " + to_string(job) + " has ended as " + wire::to_string(outcome) +
                   (reason.empty() ? "" : " (" + reason + ")") + "; it takes no further fragments"};
}
}  // namespace

bool Deliveries::add(const JobId& job, const std::shared_ptr<JobLink>& link) {
    return links_.try_emplace(job, link).first->second == link;
}

void Deliveries::refuse_all(const std::string& why) {
    for (auto& [job, link] : links_) link->inbox->refuse(why);
    links_.clear();
    tell();
    notices_.stop();
}

Inbox* Deliveries::inbox_of(const JobId& job) const {
    auto it = links_.find(job);
    return it == links_.end() ? nullptr : it->second->inbox.get();
}

Inbox* Deliveries::fresh_inbox_of(const JobId& job) {
    auto it = links_.find(job);
    if (it == links_.end()) return nullptr;
    if (fresh_.empty() || fresh_.back() != it->second) fresh_.push_back(it->second);
    return it->second->inbox.get();
}

void Deliveries::tell() {
    for (const auto& link : fresh_) link->inbox->tell();
    fresh_.clear();
}

void Deliveries::deliver(Deliver& action) {
    if (Inbox* inbox = fresh_inbox_of(action.job))
        inbox->put({.receipt = action.receipt,
                    .first = action.first,
                    .count = action.count,
                    .meta = std::move(action.meta),
                    .body = std::move(action.body)});
}

void Deliveries::deliver(DeliverFailure& action) {
    Inbox* inbox = fresh_inbox_of(action.job);
    if (!inbox) return;
    Index index = action.failure.index;
    inbox->put({.receipt = action.receipt,
                .first = index,
                .count = 1,
                .meta = {},
                .body = std::move(action.output),
                .failure = std::move(action.failure)});
}

void Deliveries::deliver(const JobRoom& action) {
    if (Inbox* inbox = inbox_of(action.job)) inbox->allow(action.limit);
}

void Deliveries::deliver(const JobSealed& action) {
    if (Inbox* inbox = inbox_of(action.job)) inbox->accept_seal();
}

void Deliveries::deliver(const JobLocated& action) {
    if (Inbox* inbox = inbox_of(action.job)) inbox->locate();
}

void Deliveries::deliver(const JobEnded& action) {
    Inbox* inbox = inbox_of(action.job);
    if (!inbox) return;
    if (action.sealed) inbox->accept_seal();
    inbox->stop(ended(action.job, action.outcome, action.reason));
}

void Deliveries::deliver(JobConcluded& action) {
    Inbox* inbox = fresh_inbox_of(action.job);
    if (!inbox) return;
    if (action.end.total) inbox->accept_seal();
    inbox->stop(ended(action.job, action.end.outcome, action.end.reason));
    inbox->conclude(std::move(action.end));
}

void Deliveries::deliver(const JobRefused& action) {
    if (Inbox* inbox = inbox_of(action.job)) inbox->refuse(action.text);
}

void Deliveries::deliver(JobNotice& action) {
    auto it = links_.find(action.job);
    if (it == links_.end()) return;
    const auto& function = it->second->on_notice ? it->second->on_notice : on_notice_;
    if (function)
        notices_.post({.function = function, .text = std::move(action.text), .job = action.job});
}

void Deliveries::deliver(ConnectionNotice& action) {
    if (on_notice_)
        notices_.post({.function = on_notice_, .text = std::move(action.text), .job = {}});
}

}  // namespace fanfold::scatterer
