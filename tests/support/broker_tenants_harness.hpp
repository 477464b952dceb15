// A stage for the broker's core on which every peer has a key: two submitters, an administrator, a
// gatherer and a worker.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/broker_durable_harness.hpp"

namespace fanfold::broker {

inline const Roles submits{static_cast<std::uint8_t>(Access::submit)};
inline const Roles works{static_cast<std::uint8_t>(Access::work)};
inline const Roles gathers{static_cast<std::uint8_t>(Access::gather)};
inline const Sender ada{.user = "ada", .roles = submits, .public_key = "key of ada"};
inline const Sender bob{.user = "bob", .roles = submits, .public_key = "key of bob"};
inline const Sender root{.user = "root", .roles = every_role, .public_key = "key of root"};
inline const Sender hall{.user = "hall", .roles = gathers, .public_key = "key of hall"};
inline const Sender mill{.user = "mill", .roles = works, .public_key = "key of mill"};

inline wire::AllowedKey allowed(const Sender& sender) {
    return {sender.public_key, sender.user, sender.roles.bits};
}
inline KeysChanged keys(const std::vector<Sender>& senders) {
    KeysChanged event;
    for (const Sender& sender : senders) event.keys.push_back(allowed(sender));
    return event;
}

template <class Base>
struct Tenants : Base {
    Tenants() {
        this->template ignore<wire::Accepted, wire::AllowedKeys, wire::Assign, wire::Dispatch,
                              wire::Drop, wire::Ended, wire::Errors, wire::Forget, wire::Forgotten,
                              wire::Located, wire::Notice, wire::Refused, wire::Release,
                              wire::Retried, wire::Sealed, wire::SendAgain, wire::Welcome>();
        this->senders = {{{"a"}, ada}, {{"b"}, bob}, {{"r"}, root}, {{"g"}, hall}, {{"w"}, mill}};
        this->step(keys({ada, bob, root, hall, mill}));
        join();
    }
    void join() {
        this->client("a", 1);
        this->client("b", 2);
        this->client("r", 3);
        this->say("g",
                  wire::Hello{.role = wire::Role::gatherer,
                              .name = "G",
                              .epoch = {0, 1},
                              .gatherer = {.name = "G", .epoch = {0, 1}, .public_key = "a lie"}});
        this->template expect<wire::Welcome>("g");
        this->say("g", wire::Holds{.last = true});
        this->worker("w");
    }
    wire::Block first(std::uint64_t n, const char* owner, const std::string& key = {}) {
        wire::Block block{.job = job_number(n), .token = 1, .first = 0, .count = 1, .stride = 1};
        block.spec = Stage::spec();
        block.spec->owner = {owner};
        block.spec->key = key;
        return block;
    }
    JobId opened(std::uint64_t n, const char* owner, const Sender& sender,
                 const std::string& key = {}) {
        wire::Block block = first(n, owner, key);
        block.total = 1;
        this->block(block, Slice::copy("\x07"), sender);
        return block.job;
    }
    void ended(JobId job) {
        this->say("r", wire::Cancel{.job = job});
        this->skip();
    }
    template <class T>
    T ask(const char* peer, wire::Message message) {
        this->skip(peer);
        this->say(peer, std::move(message));
        return this->template expect<T>(peer);
    }
    std::vector<JobId> list(const char* peer, const std::string& selector = {}) {
        std::vector<JobId> found;
        for (const auto& job :
             ask<wire::Report>(peer, wire::Query{.number = 1, .selector = selector}).jobs)
            found.push_back(job.job);
        return found;
    }
    bool was_denied(const std::string& what) const {
        return std::ranges::any_of(this->notes, [&](const Note& note) {
            return note.what == std::string("denied") &&
                   note.detail.find(what) != std::string::npos;
        });
    }
};

}  // namespace fanfold::broker
