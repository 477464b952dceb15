// What a shell puts between its core and its sockets so that nothing is said before it is safe:
// records go to the store (if there is one), and whatever is to be said after them is held until
// they are on disk. What is said of one job does not wait for the records of others, so that a disk
// which is full for new work does not silence the rest. Owned by the shell's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/mailbox.hpp"
#include "shared/store/store.hpp"

namespace fanfold {

class Journal {
public:
    /// Without a folder nothing is kept, and everything is safe at once. `format` is that of the
    /// component's rows. Throws StartupError.
    Journal(const std::string& folder, const std::string& name, int format = 0);

    /// Raised at each start; 0 without a store.
    std::uint64_t epoch() const { return store_ ? store_->epoch() : 0; }
    void load(const std::function<void(Record)>& take) {
        if (store_) store_->load(take);
    }

    void append(Record record);
    /// Hands what was appended to the store; the shell calls it after each step.
    void hand_over();
    /// Whether all that was appended is on disk.
    bool safe() const { return committed_ == appended_; }
    /// Says it when all that was appended about the job (without one: about any) is on disk, or now
    /// if it is; in the order of appending.
    void when_safe(const std::optional<JobId>& job, std::function<void()> say);

    /// Asks for a row; its answer comes with read(). Without a store nobody asks.
    void fetch(Fetch wanted);

    /// What the store has to say, for the core.
    struct Answers {
        std::optional<std::string>
            trouble;  // a text: the store is in trouble; an empty one: it works again
        std::vector<Fetched> fetched;
        std::optional<Committed> committed;
    };
    /// For the shell's loop: readable when there is something to read(). -1 without a store.
    int fd() const { return store_ ? mailbox_->fd() : -1; }
    /// Says what is safe now, and returns the rest. Throws StartupError once the store is damaged:
    /// nothing can be kept any more, so the process is to end.
    Answers read();

private:
    struct News {
        Ticket committed = 0;  // 0: it is about something else
        std::uint64_t committed_bytes = 0;
        std::optional<std::string> trouble = {};
        std::optional<std::string> damage = {};
        std::optional<Fetched> fetched = {};
    };
    std::unique_ptr<Mailbox<News>> mailbox_;
    std::unique_ptr<Store> store_;  // ends before the mailbox that it posts to
    std::vector<Record> records_;
    Ticket appended_ = 0;
    Ticket committed_ = 0;
    std::uint64_t waiting_bytes_ = 0;  // of bodies appended and not committed
    std::map<JobId, Ticket> last_;     // of each job with records that may not be on disk
    std::multimap<Ticket, std::function<void()>>
        held_;  // until that ticket is committed; those of one ticket in their order
};

}  // namespace fanfold
