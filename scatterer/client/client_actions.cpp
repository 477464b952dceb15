// What the core asks for: messages to the fleet, news to the users. With the baton.
#include <utility>

#include "scatterer/client/client.hpp"
#include "shared/log/logging.hpp"

namespace fanfold::scatterer {

namespace {
std::string ended_text(const JobId& job, wire::Outcome outcome, const std::string& reason) {
    return "job " + to_string(job) + " has ended as " + wire::to_string(outcome) +
           (reason.empty() ? "" : " (" + reason + ")") + "; it takes no further fragments";
}
}  // namespace

// --- actions: to the fleet
// -----------------------------------------------------------------------------------

void Client::act(SendBroker& action) {
    (void)net::send(control_, action.message);
    control_touched_ = true;
}

void Client::act(PushBlock& action) {
    compressed_.learn(action.message);
    (void)net::send(blocks_, action.message, action.body, compressed_.wants(action.message));
}

void Client::act(SendGatherer& action) {
    auto* gatherer = gatherer_socket(action.to);
    if (!gatherer) return;  // it has logged why
    (void)net::send(gatherer->socket, action.message);
    gatherer->touched = true;
}

void Client::act(Reconnect&) {
    handshakes_.reset();
    control_.close();
    blocks_.close();
    open_control();
    step(ControlOpened{PeerId{control_.get(zmq::sockopt::routing_id)}});
}

// --- actions: to the users' threads
// --------------------------------------------------------------------------

/// Once the baton is given back.
void Client::tell_later(const JobLink& link) {
    if (!to_tell_.empty() && to_tell_.back().get() == &link.inbox->changed()) return;
    to_tell_.emplace_back(link.inbox, &link.inbox->changed());
}

JobLink* Client::link_of(const JobId& job) {
    auto it = links_.find(job);
    return it == links_.end() ? nullptr : it->second.get();
}

void Client::act(Connected& action) {
    open_blocks(action.welcome);
    handshakes_.reset();  // until there is another connection
    descriptors_changed_ = true;
    {
        std::lock_guard lock(state_mutex_);
        welcome_ = action.welcome;
    }
    leadership_.tell(state_changed_);
}

void Client::act(ConnectionFailed& action) {
    {
        std::lock_guard lock(state_mutex_);
        failure_ = action.text + (trouble_.empty() ? "" : "; " + trouble_);
    }
    leadership_.tell(state_changed_);
}

void Client::act(Deliver& action) {
    JobLink* link = link_of(action.job);
    if (!link) return;
    link->inbox->put({.receipt = action.receipt,
                      .first = action.first,
                      .count = action.count,
                      .meta = std::move(action.meta),
                      .body = std::move(action.body)});
    tell_later(*link);
}

void Client::act(DeliverFailure& action) {
    JobLink* link = link_of(action.job);
    if (!link) return;
    Delivery delivery{.receipt = action.receipt,
                      .first = action.failure.index,
                      .count = 1,
                      .meta = {},
                      .body = std::move(action.output)};
    delivery.failure = std::move(action.failure);
    link->inbox->put(std::move(delivery));
    tell_later(*link);
}

void Client::act(JobRoom& action) {
    JobLink* link = link_of(action.job);
    if (link && link->outbox) link->outbox->allow(action.limit);
}

void Client::act(JobSealed& action) {
    JobLink* link = link_of(action.job);
    if (link && link->outbox) link->outbox->seal_accepted();
}

void Client::act(JobLocated& action) {
    JobLink* link = link_of(action.job);
    if (!link || link->outbox) return;  // nobody waits for that of an own job
    link->inbox->locate();
    tell_later(*link);
}

void Client::act(JobEnded& action) {
    JobLink* link = link_of(action.job);
    if (!link || !link->outbox) return;
    if (action.sealed) link->outbox->seal_accepted();
    link->outbox->stop(ended_text(action.job, action.outcome, action.reason), Outbox::Stop::ended);
}

void Client::act(JobConcluded& action) {
    JobLink* link = link_of(action.job);
    if (!link) return;
    if (link->outbox) {
        if (action.end.total) link->outbox->seal_accepted();
        link->outbox->stop(ended_text(action.job, action.end.outcome, action.end.reason),
                           Outbox::Stop::ended);
    }
    link->inbox->conclude(std::move(action.end));
    tell_later(*link);
}

void Client::act(JobRefused& action) {
    JobLink* link = link_of(action.job);
    if (!link) return;
    if (link->outbox) link->outbox->stop(action.text, Outbox::Stop::refused);
    link->inbox->refuse(std::move(action.text));
    tell_later(*link);
}

void Client::act(JobNotice& action) {
    auto it = links_.find(action.job);
    if (it == links_.end() || !it->second->on_notice) return;
    {
        std::lock_guard lock(notices_mutex_);
        notices_.push_back({it->second, std::move(action.text), action.job});
    }
    leadership_.run_errands();
}

void Client::act(Answer& action) {
    auto it = answers_.find(action.number);
    if (it == answers_.end()) return;
    answer(it->second, std::move(action.reply));
    answers_.erase(it);
}

void Client::act(Note& action) { write_log("client", action); }

}  // namespace fanfold::scatterer
