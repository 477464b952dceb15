// What the peers of a ROUTER have not read yet, of message headers. (Bodies are bounded by credits.) Owned by the socket's thread; only the
// counts go down on others, libzmq's.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include "shared/ids.hpp"
#include "shared/limits.hpp"
#include "shared/messages.hpp"
#include "shared/slice.hpp"

namespace fanfold::net {

class Backlog {
public:
    /// Bytes that may wait for the peer that gets this message. Workers and gatherers are told of as much as there are jobs, also at once,
    /// when they join.
    static std::size_t most_for(const wire::Message& message) {
        auto kind = std::visit([](const auto& of) { return of.kind; }, message);
        bool work = kind >= wire::Dispatch::kind && kind < wire::Collect::kind;
        return work ? limits::unread_work_bytes : limits::unread_bytes;
    }
    /// The header, which counts for this peer while the slice or a copy of it lives; nothing when more than `most` bytes would wait for it.
    std::optional<Slice> hold(const PeerId& to, std::string header, std::size_t most) {
        if (unread_.size() > sweep_above_) sweep();
        Count& unread = unread_[to.bytes];
        if (!unread) unread = std::make_shared<std::atomic<std::size_t>>(0);
        if (*unread + cost_of(header) > most) return std::nullopt;
        auto held = std::make_shared<const Held>(std::move(header), unread);
        return Slice::share(held, held->header);
    }

private:
    using Count = std::shared_ptr<std::atomic<std::size_t>>;
    struct Held {
        Held(std::string bytes, Count of) : header(std::move(bytes)), unread(std::move(of)) { *unread += cost_of(header); }
        ~Held() { *unread -= cost_of(header); }
        Held(const Held&) = delete;
        Held& operator=(const Held&) = delete;
        std::string header;
        Count unread;
    };
    /// Bytes that it takes in memory, about.
    static std::size_t cost_of(const std::string& header) { return header.size() + 256; }
    void sweep() {
        std::erase_if(unread_, [](const auto& peer) { return *peer.second == 0; });
        sweep_above_ = 2 * unread_.size() + 1000;
    }

    std::unordered_map<std::string, Count> unread_;  // by peer
    std::size_t sweep_above_ = 1000;
};

}  // namespace fanfold::net
