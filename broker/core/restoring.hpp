// How the broker finds its jobs again after it was killed: it takes the rows that the store has,
// and makes the owners' facts from them before the first step. A row that can't be read,
// contradicts others or is missing fails its own job by name, and nothing else. And a job that only
// its gatherer knows, as the broker's state is older: it is made from what that says. Owned by the
// core's thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "broker/core/clients.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class Restoring {
public:
    explicit Restoring(const Owners& owners) : owners_(owners) {}

    /// Every row of the store, in its order.
    void take(const Record& record);
    /// There are no more.
    void finish();
    /// In the first step: ends the jobs that can't be made again.
    void end_damaged(Step& step);
    /// It has no payloads: if it has not ended, nothing of it is dispatched.
    Job& adopt(Step& step, const PeerId& gatherer, wire::Described described);

private:
    /// What the rows of one job say, beside what its owners know already.
    struct Rows {
        Books::Restored books;
        std::uint64_t accepted_bytes = 0;
        std::string damage;  // why it can't be made again
    };

    template <class Row>
    void read(const Record& record);
    Job& job_of(const JobId& id);
    void set(const Record& record, rows::Job row);
    void set(const Record& record, rows::Forgotten row);
    void set(Job& job, Rows& rows, const Record& record, rows::Location row);
    void set(Job& job, Rows& rows, const Record& record, rows::Block row);
    void set(Job& job, Rows& rows, const Record& record, rows::Total row);
    void set(Job& job, Rows& rows, const Record& record, rows::Error row);
    void set(Job& job, Rows& rows, const Record& record, rows::Safe row);
    void set(Job& job, Rows& rows, const Record& record, rows::Accepted row);
    void set(Job& job, Rows& rows, const Record& record, rows::Tried row);
    void set(Job& job, Rows& rows, const Record& record, rows::Share row);
    void set(Job& job, Rows& rows, const Record& record, rows::Ended row);
    void set(Job& job, Rows& rows, const Record& record, rows::Round row);
    void damage(const Record& record, const std::string& why);
    std::string rebuild(Job& job, Rows& rows);
    void empty(Job& job);

    const Owners& owners_;
    std::map<JobId, Rows> rows_;
    std::vector<JobId> damaged_;
};

}  // namespace fanfold::broker
