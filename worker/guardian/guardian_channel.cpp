#include "worker/guardian/guardian_channel.hpp"

namespace fanfold::worker::guardian {

Result<void> Channel::start(const std::string& program) {
    auto started = Link::start(program, containment_);
    if (!started) return tl::unexpected(started.error());
    link_ = std::move(*started);
    waiting_for_room_ = false;
    poller_.watch(link_.socket(), EPOLLIN, event_);
    return {};
}

bool Channel::flush() {
    while (!outbox_.empty() && link_.open()) {
        switch (send_request(link_.socket(), outbox_.front())) {
            case Sent::done:
                outbox_.pop_front();
                link_.rouse();
                break;
            case Sent::full: wait_for_room(true); return true;
            case Sent::gone: return false;
        }
    }
    wait_for_room(false);
    return true;
}

void Channel::wait_for_room(bool wait) {
    if (wait == waiting_for_room_ || !link_.open()) return;
    waiting_for_room_ = wait;
    poller_.change(link_.socket(), EPOLLIN | (wait ? EPOLLOUT : 0u), event_);
}

std::set<std::uint64_t> Channel::clean_up() {
    link_.clean_up();
    std::set<std::uint64_t> unsent;
    for (const Request& request : outbox_) {
        if (request.header.kind == RequestKind::spawn) unsent.insert(request.header.id);
    }
    std::erase_if(outbox_,
                  [&](const Request& request) { return !unsent.contains(request.header.id); });
    return unsent;
}

void Channel::end() {
    outbox_.clear();
    link_.end();
}

}  // namespace fanfold::worker::guardian
