// What the runner has to say to its guardian: requests wait here until the socket has room for
// them, in order. Belongs to the runner's thread, and is watched by its poller.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/result.hpp"
#include "worker/guardian/guardian_link.hpp"
#include "worker/guardian/guardian_protocol.hpp"
#include "worker/guardian/poller.hpp"

namespace fanfold::worker::guardian {

class Channel {
public:
    /// `event` comes out of the poller's wait() when the guardian has spoken or its socket has
    /// room. The poller outlives this.
    Channel(const Poller& poller, std::uint64_t event, const Containment& containment)
        : poller_(poller), event_(event), containment_(containment) {}

    /// Starts a guardian, in the place of one that is gone; requests that were not sent to that one
    /// go to this.
    Result<void> start(const std::string& program);
    bool open() const { return link_.open(); }
    /// Whether the folders of commands, if they get any, have room for a small file.
    bool has_space() const { return link_.has_space(); }

    void push(Request request) { outbox_.push_back(std::move(request)); }
    /// Sends what there is room for. False when the guardian is gone.
    bool flush();
    /// Adds what it has reported. False when the guardian is gone.
    bool receive(std::vector<Report>& reports) { return receive_reports(link_.socket(), reports); }

    /// After the guardian's death: kills all that it ran, and keeps of the unsent requests only
    /// those for new commands. Returns their ids.
    std::set<std::uint64_t> clean_up();
    void drop_unsent() { outbox_.clear(); }
    /// Drops what is unsent, and waits until the guardian has killed everything and is gone.
    void end();

private:
    void wait_for_room(bool wait);

    const Poller& poller_;
    const std::uint64_t event_;
    const Containment containment_;
    Link link_;
    std::deque<Request> outbox_;
    bool waiting_for_room_ = false;
};

}  // namespace fanfold::worker::guardian
