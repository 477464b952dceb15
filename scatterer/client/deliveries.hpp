// What the core has for the users of jobs, on its way to them: each job's inbox, by the job's id,
// and the notices, which a thread of their own hands to the users' functions. The client's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "scatterer/client/inbox.hpp"
#include "scatterer/client/notices.hpp"

namespace fanfold::scatterer {

/// What reaches the user of one job.
struct JobLink {
    std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
    std::shared_ptr<NoticeFunction> on_notice = {};
};

class Deliveries {
public:
    /// `on_notice`, if there is one, hears of the connection and of jobs without one of their own.
    explicit Deliveries(std::shared_ptr<NoticeFunction> on_notice)
        : on_notice_(std::move(on_notice)) {}

    /// Another link for a job that has one is refused, until that is removed.
    bool add(const JobId& job, const std::shared_ptr<JobLink>& link);
    void remove(const JobId& job) { links_.erase(job); }
    /// Wakes the users that something has come for since the last time: once for many messages.
    void tell();
    /// Any thread, before it waits for the client's (notices.hpp).
    void release_this_thread() { notices_.release_this_thread(); }
    /// Nobody may wait for what can't come. The last call.
    void refuse_all(const std::string& why);

    void deliver(Deliver& action);
    void deliver(DeliverFailure& action);
    void deliver(const JobRoom& action);
    void deliver(const JobSealed& action);
    void deliver(const JobLocated& action);
    void deliver(const JobEnded& action);
    void deliver(JobConcluded& action);
    void deliver(const JobRefused& action);
    void deliver(JobNotice& action);
    void deliver(ConnectionNotice& action);

private:
    Inbox* inbox_of(const JobId& job) const;
    /// The inbox, of which the user is to be told.
    Inbox* fresh_inbox_of(const JobId& job);

    std::map<JobId, std::shared_ptr<JobLink>> links_;
    std::vector<std::shared_ptr<JobLink>> fresh_;  // to be told
    const std::shared_ptr<NoticeFunction> on_notice_;
    Notices notices_;
};

}  // namespace fanfold::scatterer
