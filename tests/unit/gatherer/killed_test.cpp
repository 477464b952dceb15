// The gatherer killed at any moment, with whatever its store had committed until then: all that it
// told anybody stays true.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/support/gatherer_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

/// A client that keeps its position over all connections, and takes each fragment once.
struct Client {
    bool ordered = false;
    std::uint64_t position = 0;
    std::string peer = {};  // empty: not connected
    std::map<Index, std::string> seen = {};
    std::optional<wire::Concluded> concluded = {};

    void take(const Send& send) {
        REQUIRE_FALSE(concluded.has_value());
        if (auto* values = std::get_if<wire::Values>(&send.message)) {
            if (values->position <= position) return;
            position = values->position;
            std::string_view rest = send.body.view();
            for (Index i = values->first; i < values->first + values->count; ++i) {
                std::size_t length = wire::object_length(rest).value_or(0);
                see(i, std::string(rest.substr(0, length)));
                rest.remove_prefix(length);
            }
        } else if (auto* failures = std::get_if<wire::Failures>(&send.message)) {
            if (failures->position <= position) return;
            position = failures->position;
            for (const auto& failure : failures->failures) see(failure.index, "failed");
        } else if (auto* end = std::get_if<wire::Concluded>(&send.message)) {
            concluded = *end;
        } else {
            FAIL("refused: " << std::get<wire::Refused>(send.message).text);
        }
    }
    void see(Index index, std::string what) {
        bool fresh = seen.emplace(index, std::move(what)).second;
        CHECK(fresh);
    }
};

/// A job whose broker, workers and clients live on while the gatherer dies again and again.
class World {
public:
    explicit World(std::uint64_t seed)
        : random_(seed), total_(1 + pick(pick(3) == 0 ? 300 : 60)), gatherer_(disk_) {
        spec_.attached = pick(2) == 0;
        if (pick(4) == 0) {
            spec_.policy = GatherPolicy::quorum;
            spec_.quorum = 1 + pick(total_);
        }
        if (pick(4) == 0) spec_.deadline = std::chrono::milliseconds(1 + pick(5000));
        if (pick(3) == 0)
            for (Index i = 0; i < total_; ++i)
                if (pick(5) == 0) failing_.insert(i);
        unconfirmed_.add({0, total_});
        come_to_collect();
        if (pick(3) != 0) return;
        large_ = true;  // memory for the books, and a few values
        gatherer_.memory_bytes = total_ * 700 + 3000;
        gatherer_.start();
    }

    void run() {
        play();
        while (!spec_.attached && decided_->outcome != Outcome::complete && pick(2) == 0) {
            retry();
            play();
        }
        forget();
    }

private:
    std::uint64_t pick(std::uint64_t below) {
        return std::uniform_int_distribution<std::uint64_t>(0, below - 1)(random_);
    }

    void play() {
        std::uint64_t steps = 20 + pick(300);
        for (std::uint64_t i = 0; i < steps; ++i) act();
        for (int i = 0; i < 300 && !all_concluded(); ++i) drain();
        REQUIRE(all_concluded());
        check();
    }
    void come_to_collect() {
        clients_ = {{.ordered = pick(2) == 0}};
        if (!spec_.attached) clients_.push_back({.ordered = !clients_.front().ordered});
    }
    /// The broker runs again what has no value, and some of what failed does not fail any more.
    void retry() {
        deliver();
        spec_.deadline = std::chrono::milliseconds(pick(2) == 0 ? 0 : 1 + pick(5000));
        unconfirmed_ = RangeSet();
        unconfirmed_.add({0, total_});
        for (const auto& [index, what] : clients_.front().seen)
            if (what != "failed") unconfirmed_.remove({index, index + 1});
        std::erase_if(failing_, [&](Index index) { return index % 2 == 0; });
        kept_ = values_seen(clients_.front());
        decided_.reset();
        come_to_collect();
        ++assignment_;
        ++round_;
        round_begun_ = false;
        assign();
        if (pick(2) == 0) crash();
    }
    static std::map<Index, std::string> values_seen(const Client& client) {
        auto values = client.seen;
        std::erase_if(values, [](const auto& one) { return one.second == "failed"; });
        return values;
    }
    std::string value_of(Index index) const {
        return large_ && index % 3 == 0
                   ? wire::pack_text(std::string(1500, 'v') + std::to_string(index))
                   : value(index);
    }
    std::string values_of(Range range) const {
        std::string body;
        for (Index i = range.begin; i < range.end; ++i) body += value_of(i);
        return body;
    }
    void answer() {
        if (!gatherer_.fetches.empty()) gatherer_.answer(pick(gatherer_.fetches.size()));
    }
    void act() {
        gatherer_.wall += std::chrono::milliseconds(pick(30));
        switch (pick(13)) {
            case 11: answer(); break;
            case 0: crash(); break;
            case 1: connect(clients_[pick(clients_.size())]); break;
            case 2: gatherer_.step(Tick{}); break;
            case 3: assign(); break;
            case 4:
            case 5: gatherer_.commit(pick(1 + gatherer_.uncommitted())); break;
            case 6: fail_some(); break;
            default: push(1 + pick(spec_.attached ? 2 : 12)); break;
        }
        if (pick(3) != 0) deliver();
    }
    void crash() {
        gatherer_.commit(pick(1 + gatherer_.uncommitted()));
        // What was said before it died may still arrive.
        if (pick(2) == 0) deliver();
        for (Client& client : clients_) client.peer.clear();
        if (pick(3) == 0) ++broker_.number;
        gatherer_.wall += std::chrono::milliseconds(pick(400));
        gatherer_.start(Duration{std::chrono::seconds{1 + pick(100'000)}});
    }
    void assign() {
        sealed_ = sealed_ || pick(2) == 0;
        gatherer_.say(wire::Assign{.job = job_,
                                   .assignment = assignment_,
                                   .spec = spec_,
                                   .total = sealed_ ? std::optional(total_) : std::nullopt,
                                   .round = round_});
    }
    /// Only what nobody confirmed is still with the workers.
    void push(std::uint64_t most) {
        std::vector<Range> kept = unconfirmed_.ranges();
        if (kept.empty()) return;
        Range range = kept[pick(kept.size())];
        range.begin += pick(range.size());
        range.end = std::min(range.end, range.begin + most);
        while (!range.empty() && failing_.contains(range.begin)) ++range.begin;
        for (Index i = range.begin; i < range.end; ++i)
            if (failing_.contains(i)) range.end = i;
        if (range.empty()) return;
        gatherer_.step(Pulled{wire::Results{.job = job_,
                                            .first = range.begin,
                                            .count = static_cast<std::uint32_t>(range.size()),
                                            .meta = {.worker = "w1"}},
                              Slice::take(values_of(range))});
    }
    void fail_some() {
        if (failing_.empty()) return;
        auto at = failing_.lower_bound(pick(total_));
        if (at == failing_.end() || !unconfirmed_.contains(*at)) return;
        auto kind = *at % 2 == 0 ? wire::FailureKind::failed : wire::FailureKind::crashed;
        gatherer_.say(wire::Errors{.job = job_,
                                   .failures = {{.index = *at,
                                                 .kind = kind,
                                                 .message = "no",
                                                 .worker = "w1",
                                                 .output_bytes = 3}}},
                      "abc");
    }
    void connect(Client& client) {
        if (client.concluded || !round_begun_) return;
        if (!client.peer.empty() && pick(2) == 0) gatherer_.step(Unroutable{{client.peer}});
        std::string peer =
            "c" + std::to_string(&client - clients_.data()) + "-" + std::to_string(++connections_);
        client.peer = peer;
        gatherer_.step(Received{.from = {peer},
                                .message = wire::Collect{.job = job_,
                                                         .ordered = client.ordered,
                                                         .position = client.position,
                                                         .credit = 1 + pick(400)},
                                .body = {}});
    }
    void deliver() {
        while (!gatherer_.said.empty()) {
            Action action = std::move(gatherer_.said.front());
            gatherer_.said.pop_front();
            if (auto* send = std::get_if<Send>(&action)) to_client(*send);
            else if (auto* to = std::get_if<SendBroker>(&action)) to_broker(to->message);
        }
    }
    void to_client(const Send& send) {
        auto client = std::find_if(clients_.begin(), clients_.end(),
                                   [&](const Client& one) { return one.peer == send.to.bytes; });
        if (client == clients_.end() || client->concluded) return;
        if (std::holds_alternative<wire::Refused>(
                send.message)) {  // the job was not assigned for long
            client->peer.clear();
            return;
        }
        client->take(send);
        if (client->concluded || pick(3) == 0) return;
        gatherer_.step(
            Received{.from = {client->peer},
                     .message = wire::Acknowledge{.job = job_, .position = client->position},
                     .body = {}});
    }
    void to_broker(const wire::Message& message) {
        if (auto* hello = std::get_if<wire::Hello>(&message)) {
            CHECK(hello->role == wire::Role::gatherer);
            wire::Welcome welcome;
            welcome.epoch = broker_;
            welcome.heartbeat = wire::Milliseconds{500};
            welcome.timeout = wire::Milliseconds{3'600'000};
            gatherer_.say(welcome);
        } else if (auto* gathered = std::get_if<wire::Gathered>(&message)) {
            if (gathered->round != round_) return;
            round_begun_ = true;
            for (Range range : gathered->ranges) unconfirmed_.remove(range);
        } else if (auto* propose = std::get_if<wire::Propose>(&message)) {
            if (propose->assignment != assignment_) return;
            if (!decided_) decided_ = *propose;
            if (pick(3) != 0)
                gatherer_.say(wire::Ended{.job = job_,
                                          .assignment = assignment_,
                                          .outcome = decided_->outcome,
                                          .reason = decided_->reason,
                                          .total = sealed_ ? std::optional(total_) : std::nullopt,
                                          .missing = {}});
        }
    }
    bool all_concluded() const {
        return decided_ && std::all_of(clients_.begin(), clients_.end(), [](const Client& client) {
                   return client.concluded.has_value();
               });
    }
    void drain() {
        sealed_ = true;
        assign();
        for (int i = 0; i < 200 && !unconfirmed_.empty() && !decided_; ++i) {
            push(total_);
            fail_some();
            gatherer_.commit_all();
            deliver();
            gatherer_.wall += 3ms;
            gatherer_.step(Tick{});
        }
        for (Client& client : clients_) connect(client);
        gatherer_.wall += 2s;
        gatherer_.step(Tick{});
        gatherer_.commit_all();
        deliver();
        while (!gatherer_.fetches.empty()) {
            answer();
            deliver();
        }
    }
    void check_values(const std::map<Index, std::string>& seen) {
        for (const auto& [index, what] : seen)
            CHECK(what == (failing_.contains(index) && !kept_.contains(index) ? "failed"
                                                                              : value_of(index)));
    }
    void check() {
        const wire::Concluded& end = *clients_.front().concluded;
        CHECK(end.outcome == decided_->outcome);
        for (const Client& client : clients_) {
            check_values(client.seen);
            CHECK(client.concluded->outcome == end.outcome);
            CHECK(client.concluded->values == end.values);
            CHECK(client.concluded->failures == end.failures);
            CHECK(client.concluded->missing.size() == end.missing.size());
            CHECK(client.seen.size() == end.values + end.failures);
            for (const auto& [index, what] : kept_) CHECK(client.seen.contains(index));
        }
        if (spec_.policy == GatherPolicy::all && spec_.deadline.count() == 0)
            CHECK(clients_.front().seen.size() == total_);
        read_again(end);
    }
    /// Another life shows the same to whoever comes late.
    void read_again(const wire::Concluded& end) {
        gatherer_.commit_all();
        gatherer_.start();
        if (spec_.attached) return;
        Client late{.ordered = pick(2) == 0};
        late.peer = "late";
        gatherer_.step(Received{
            .from = {"late"},
            .message = wire::Collect{.job = job_, .ordered = late.ordered, .credit = 1 << 20},
            .body = {}});
        while (!gatherer_.fetches.empty()) answer();
        for (const Action& action : gatherer_.said)
            if (auto* send = std::get_if<Send>(&action)) late.take(*send);
        REQUIRE(late.concluded.has_value());
        CHECK(late.seen == clients_.front().seen);
        CHECK(late.concluded->outcome == end.outcome);
        CHECK(late.concluded->values == end.values);
        CHECK(late.concluded->reason == end.reason);
    }
    void forget() {
        gatherer_.say(wire::Forget{.job = job_});
        CHECK_FALSE(said_forgotten());
        gatherer_.commit_all();
        CHECK(said_forgotten());
        CHECK(disk_.rows_of(job_) == 0);
        gatherer_.start();
        CHECK(gatherer_.core->held_bytes() == 0);
    }

    bool said_forgotten() const {
        return std::any_of(gatherer_.said.begin(), gatherer_.said.end(), [](const Action& action) {
            auto* to = std::get_if<SendBroker>(&action);
            return to && std::holds_alternative<wire::Forgotten>(to->message);
        });
    }

    std::mt19937_64 random_;
    std::uint64_t total_;
    bool large_ = false;
    std::uint32_t assignment_ = 1;
    std::uint32_t round_ = 0;
    bool round_begun_ =
        true;  // the gatherer has told: until then it may show the end of the one before
    std::map<Index, std::string> kept_;  // values of earlier rounds
    Disk disk_;
    Process gatherer_;
    JobId job_ = job_number(1);
    wire::JobSpec spec_;
    bool sealed_ = false;
    std::set<Index> failing_;
    RangeSet unconfirmed_;
    Epoch broker_{.number = 1, .incarnation = 5};
    std::optional<wire::Propose> decided_;
    std::vector<Client> clients_;
    int connections_ = 0;
};

}  // namespace

TEST_CASE(
    "durable gatherer: killed at any record, all that it told stays true, and each collector sees "
    "each fragment once") {
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        CAPTURE(seed);
        World(seed).run();
    }
}
