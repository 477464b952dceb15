// What the peers of a ROUTER have not read yet, of message headers. (Bodies are bounded by
// credits.) Owned by the socket's thread; only the counts go down on others, libzmq's.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include "shared/base/ids.hpp"
#include "shared/base/limits.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::net {

class Backlog {
public:
    /// The message's header, which counts for this peer while the slice or a copy of it lives;
    /// nothing when too much would wait for it. Workers and gatherers are told of as much work as
    /// there is, also at once, when they join: that has a count and a limit of its own.
    std::optional<Slice> hold(const PeerId& to, const wire::Message& message, std::string header) {
        if (unread_.size() > sweep_above_) sweep();
        const bool work = is_work(message);
        Count& unread = work ? unread_[to.bytes].work : unread_[to.bytes].other;
        if (*unread + cost_of(header) > (work ? limits::unread_work_bytes : limits::unread_bytes))
            return std::nullopt;
        auto held = std::make_shared<const Held>(std::move(header), unread);
        return Slice::share(held, held->header);
    }

private:
    using Count = std::shared_ptr<std::atomic<std::size_t>>;
    struct Unread {
        Count work = std::make_shared<std::atomic<std::size_t>>(0);
        Count other = std::make_shared<std::atomic<std::size_t>>(0);
    };
    struct Held {
        Held(std::string bytes, Count of) : header(std::move(bytes)), unread(std::move(of)) {
            *unread += cost_of(header);
        }
        ~Held() { *unread -= cost_of(header); }
        Held(const Held&) = delete;
        Held& operator=(const Held&) = delete;
        std::string header;
        Count unread;
    };
    /// Whether it is for a worker or a gatherer: of these kinds only Forgotten is a client's.
    static bool is_work(const wire::Message& message) {
        if (std::holds_alternative<wire::Forgotten>(message)) return false;
        auto kind = std::visit([](const auto& of) { return of.kind; }, message);
        return kind >= wire::Dispatch::kind && kind < wire::Collect::kind;
    }
    /// Bytes that it takes in memory, about.
    static std::size_t cost_of(const std::string& header) { return header.size() + 256; }
    void sweep() {
        std::erase_if(unread_, [](const auto& peer) {
            return *peer.second.work == 0 && *peer.second.other == 0;
        });
        sweep_above_ = 2 * unread_.size() + 1000;
    }

    std::unordered_map<std::string, Unread> unread_;  // by peer
    std::size_t sweep_above_ = 1000;
};

}  // namespace fanfold::net
