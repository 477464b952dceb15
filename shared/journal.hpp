// What a shell puts between its core and its sockets so that nothing is said before it is safe: records go to the store (if there is
// one), and whatever is to be said after them is held until they are on disk. Owned by the shell's thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/net.hpp"
#include "shared/store.hpp"

namespace fanfold {

class Journal {
public:
    /// Without a folder nothing is kept, and everything is safe at once. Throws StartupError.
    Journal(const std::string& folder, const std::string& name);

    /// Raised at each start; 0 without a store.
    std::uint64_t epoch() const { return store_ ? store_->epoch() : 0; }
    void load(const std::function<void(Record)>& take) {
        if (store_) store_->load(take);
    }

    void append(Record record);
    /// Hands what was appended to the store; the shell calls it after each step.
    void hand_over();
    /// Whether all that was appended is on disk, and nothing is held.
    bool safe() const { return committed_ == appended_ && held_.empty(); }
    /// Says it now if all that was appended is on disk, else when it is; in order.
    void when_safe(std::function<void()> say);

    /// For the shell's loop: readable when there is something to read(). -1 without a store.
    int fd() const { return store_ ? mailbox_->fd() : -1; }
    /// Says what is safe now. A text: the store is in trouble; an empty one: it works again.
    std::optional<std::string> read();

private:
    struct News {
        Ticket committed = 0;
        std::optional<std::string> trouble = {};
    };
    std::unique_ptr<net::Mailbox<News>> mailbox_;
    std::unique_ptr<Store> store_;  // ends before the mailbox that it posts to
    std::vector<Record> records_;
    Ticket appended_ = 0;
    Ticket committed_ = 0;
    std::deque<std::pair<Ticket, std::function<void()>>> held_;
};

}  // namespace fanfold
