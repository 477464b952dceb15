// The gatherer against a naive model: runs of results are shuffled, doubled and overlapped, errors
// mixed in, and two collectors, one in order and one as completed, lose their connections and come
// back. Each must see every fragment exactly once.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

/// What a collector does with a stream: it takes messages in order, some time after they were sent,
/// and drops what it has already.
class PlayedClient {
public:
    PlayedClient(bool ordered, std::uint64_t credit) : ordered_(ordered), credit_(credit) {}

    wire::Collect connect(const JobId& job, std::string peer) {
        peer_ = std::move(peer);
        coming_.clear();
        on_way_.clear();
        return {.job = job, .ordered = ordered_, .position = position_, .credit = credit_};
    }
    void sent(const Send& send) {
        REQUIRE_FALSE(concluded);
        coming_.push_back(send);
        if (std::holds_alternative<wire::Concluded>(send.message)) return;
        on_way_.emplace_back(position_of(send.message), send.body.size());
        std::uint64_t sum = 0;
        for (auto [position, bytes] : on_way_) sum += bytes;
        CHECK((sum <= credit_ || on_way_.size() == 1 || sum == on_way_.front().second));
    }
    bool idle() const { return coming_.empty(); }
    /// Takes one message; returns the position to acknowledge.
    std::uint64_t take() {
        Send send = coming_.front();
        coming_.pop_front();
        if (auto* values = std::get_if<wire::Values>(&send.message)) {
            see_values(*values, send.body);
        } else if (auto* failures = std::get_if<wire::Failures>(&send.message)) {
            for (const auto& failure : failures->failures) see(failure.index, "");
        } else {
            concluded = std::get<wire::Concluded>(send.message);
            return position_;
        }
        CHECK(position_of(send.message) > position_);
        position_ = position_of(send.message);
        return position_;
    }
    void acknowledged(std::uint64_t position) {
        while (!on_way_.empty() && on_way_.front().first <= position) on_way_.pop_front();
    }
    std::uint64_t position() const { return position_; }
    const std::string& peer() const { return peer_; }

    std::map<Index, std::string> seen;  // a failure is an empty string
    std::optional<wire::Concluded> concluded;

private:
    static std::uint64_t position_of(const wire::Message& message) {
        if (auto* values = std::get_if<wire::Values>(&message)) return values->position;
        return std::get<wire::Failures>(message).position;
    }
    void see_values(const wire::Values& values, const Slice& body) {
        std::string_view rest = body.view();
        for (Index i = values.first; i < values.first + values.count; ++i) {
            auto length = wire::object_length(rest);
            REQUIRE(length.has_value());
            see(i, std::string(rest.substr(0, *length)));
            rest.remove_prefix(*length);
        }
        CHECK(rest.empty());
    }
    void see(Index index, std::string what) {
        CHECK(seen.emplace(index, std::move(what)).second);
        if (ordered_) CHECK(index + 1 == seen.size());
    }

    bool ordered_;
    std::uint64_t credit_;
    std::uint64_t position_ = 0;
    std::string peer_;
    std::deque<Send> coming_;
    std::deque<std::pair<std::uint64_t, std::uint64_t>>
        on_way_;  // position, bytes: sent and not acknowledged
};

class Simulation {
public:
    explicit Simulation(std::uint64_t seed)
        : random_(seed),
          total_(1 + pick(120)),
          attached_(pick(2) == 0),
          first_ordered_(pick(2) == 0),
          stage_(options(pick(3))) {
        clients_.emplace_back(first_ordered_, 1 + pick(300));
        // An attached job has one follower, its owner; it bears a second that is there from the
        // beginning to the end.
        if (!attached_ || pick(2) == 0) clients_.emplace_back(!first_ordered_, 1 + pick(300));
    }

    void run() {
        if (attached_) spec_.attached = true;
        if (pick(3) == 0) act();  // before the job is known
        for (auto& client : clients_) connect(client);
        bool sealed_at_once = pick(2) == 0;
        stage_.assign(sealed_at_once ? std::optional(total_) : std::nullopt, spec_);
        deliver();
        for (std::uint64_t i = 0; i < total_; ++i) act();
        if (!sealed_at_once) stage_.assign(total_, spec_);
        deliver();
        finish();
        check();
    }

private:
    /// In memory, with a store beside, or with a store and memory for the books and a few bodies.
    Options options(std::uint64_t which) const {
        constexpr std::uint64_t books = 500;  // of an entry, more or less
        if (which == 0) return Stage::options_with(1 << 20);
        return Stage::durable_with(which == 1 ? 1 << 20 : total_ * books + 500);
    }
    std::uint64_t pick(std::uint64_t below) {
        return std::uniform_int_distribution<std::uint64_t>(0, below - 1)(random_);
    }

    static std::string value_of(Index index) {
        return wire::pack_text(std::string(index % 5 == 0 ? 3000 : index % 37, 'v') +
                               std::to_string(index));
    }

    void push_values(Range range) {
        std::string body;
        for (Index i = range.begin; i < range.end; ++i) {
            body += value_of(i);
            if (!ended_) model_.emplace(i, value_of(i));
        }
        stage_.raw_results(range.begin, static_cast<std::uint32_t>(range.size()), body);
    }
    void act() {
        Index begin = pick(total_);
        Range range{begin, std::min(total_, begin + 1 + pick(12))};
        auto& client = clients_[pick(clients_.size())];
        switch (pick(7)) {
            case 5:
                if (!stage_.fetches.empty()) stage_.answer(pick(stage_.fetches.size()));
                break;
            case 0:
                if (client.peer().empty()) break;
                model_.emplace(begin, "");
                stage_.failure(begin);
                break;
            case 1: take_some(client); break;
            case 2:
                if (!client.peer().empty() && pick(8) == 0) reconnect(client);
                break;
            default: push_values(range); break;
        }
        deliver();
    }
    void connect(PlayedClient& client) {
        std::string peer = std::string(1, static_cast<char>('a' + (&client - clients_.data()))) +
                           std::to_string(++connections_);
        stage_.collect(peer, client.connect(stage_.job, peer));
        deliver();
    }
    void reconnect(PlayedClient& client) {
        std::string old = client.peer();
        bool same_peer = (attached_ && clients_.size() == 2) || pick(2) == 0;
        if (!same_peer) stage_.step(Unroutable{{old}});
        deliver();
        std::string peer = same_peer ? old : old.substr(0, 1) + std::to_string(++connections_);
        auto collect = client.connect(stage_.job, peer);
        stage_.step(Received{.from = {peer}, .message = collect, .body = {}});
        deliver();
    }
    void take_some(PlayedClient& client) {
        for (std::uint64_t i = pick(4) + 1; i > 0 && !client.idle(); --i) {
            std::uint64_t position = client.take();
            if (client.concluded || pick(3) == 0) continue;
            acknowledge(client, position);
        }
    }
    void acknowledge(PlayedClient& client, std::uint64_t position) {
        client.acknowledged(position);
        stage_.acknowledge(client.peer(), position);
        deliver();
    }
    /// Hands what the core sent to those it was for.
    void deliver() {
        for (const Action& action : stage_.take_rest()) {
            if (auto* send = std::get_if<Send>(&action)) {
                clients_.at(static_cast<std::size_t>(send->to.bytes[0] - 'a')).sent(*send);
            } else {
                REQUIRE(std::holds_alternative<SendBroker>(action));
                to_broker(std::get<SendBroker>(action).message);
            }
        }
    }
    void to_broker(const wire::Message& message) {
        if (auto* gathered = std::get_if<wire::Gathered>(&message)) {
            for (Range range : gathered->ranges) confirmed_.add(range);
            return;
        }
        REQUIRE(std::holds_alternative<wire::Propose>(message));
        proposed_ = std::get<wire::Propose>(message);
        ended_ = true;
    }
    void finish() {
        for (Index i = 0; i < total_; ++i)
            if (!model_.contains(i)) push_values({i, i + 1}), deliver();
        REQUIRE(proposed_.has_value());
        stage_.say(wire::Ended{.job = stage_.job,
                               .assignment = 1,
                               .outcome = proposed_->outcome,
                               .reason = {},
                               .total = total_});
        deliver();
        bool more = true;
        for (auto& client : clients_) acknowledge(client, client.position());
        while (std::exchange(more, false)) {
            for (auto& client : clients_)
                while (!client.idle()) acknowledge(client, client.take());
            for (; !stage_.fetches.empty(); more = true) {
                stage_.answer(pick(stage_.fetches.size()));
                deliver();
            }
        }
    }
    void check() {
        std::size_t failed = 0;
        for (const auto& [index, what] : model_) failed += what.empty();
        CHECK(proposed_->outcome == (failed == 0 ? Outcome::complete : Outcome::partial));
        CHECK(confirmed_.covers({0, total_}));
        for (auto& client : clients_) {
            CHECK(client.seen == model_);
            REQUIRE(client.concluded.has_value());
            CHECK(client.concluded->values == total_ - failed);
            CHECK(client.concluded->failures == failed);
            CHECK(client.concluded->missing.empty() == (failed == 0));
        }
        if (attached_) CHECK(stage_.core.held_bytes() == 0);
        else CHECK(stage_.core.held_bytes() > 0);
    }

    std::mt19937_64 random_;
    std::uint64_t total_;
    bool attached_;
    bool first_ordered_;
    std::vector<PlayedClient> clients_;
    wire::JobSpec spec_;
    Stage stage_;
    std::map<Index, std::string> model_;  // the first outcome of each fragment
    RangeSet confirmed_;
    std::optional<wire::Propose> proposed_;
    bool ended_ = false;
    int connections_ = 0;
};

}  // namespace

TEST_CASE("gatherer: against a naive model, every collector sees every fragment exactly once") {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        CAPTURE(seed);
        Simulation(seed).run();
    }
}
