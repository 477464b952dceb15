// The broker's core, told anything in any order: messages of every kind, answers to what it sent,
// commits, a store in trouble, silence, crashes. Its invariants hold after each step, what it says
// can be read, and it finds its jobs again in whatever rows are left.
#include <deque>
#include <optional>
#include <vector>

#include "broker/core/core.hpp"
#include "tests/fuzz/maker.hpp"
#include "tests/fuzz/played_store.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::broker;

constexpr std::size_t most_actions = 2000;  // of one step: peers, jobs and fragments are few
constexpr std::size_t most_dispatches = 64;

class PlayedBroker {
public:
    explicit PlayedBroker(fuzz::Bytes setting) {
        options_ = {.epoch = {.number = 0, .incarnation = 1}, .blocks = {"tcp://127.0.0.1:7412"}};
        options_.durable = setting.flag();
        options_.fixed_fleet = setting.below(4) == 3;
        options_.crash_limit = 1 + static_cast<std::uint32_t>(setting.below(3));
        if (setting.flag()) options_.memory_bytes = 4000;
        start();
    }

    void play(fuzz::Bytes event) {
        fuzz::Maker maker(event);
        switch (event.below(12)) {
            case 0: clock_.advance(event); return step(Tick{});
            case 1: return join(event, maker);
            case 2: return push_block(event, maker);
            case 3: return answer_dispatch(event, maker);
            case 4: return step(Unroutable{maker.peer()});
            case 5: return tell_store(event);
            case 6: return gather(event, maker);
            case 7: return inventory(event, maker);
            case 8: return crash(event);
            case 9: return change_keys(event, maker);
            case 10:
                if (auto message = maker.message()) {
                    Slice body = maker.body_of(*message);
                    step(Pulled{*std::move(message), std::move(body), maker.sender()});
                }
                return;
            default:
                PeerId from = maker.peer();
                if (auto message = maker.message()) {
                    Slice body = maker.body_of(*message);
                    step(Received{std::move(from), *std::move(message), std::move(body),
                                  maker.sender()});
                }
        }
    }

private:
    void start() {
        options_.started = clock_.now();
        options_.started_since_1970 = clock_.since_1970();
        options_.epoch.incarnation++;
        if (options_.durable) options_.epoch.number++;
        core_.emplace(options_);
        store_.each([&](const Record& record) { core_->restore(record); });
        core_->restored();
        dispatches_.clear();
    }

    void step(Event event) {
        std::vector<Action> actions;
        core_->step(clock_.now(), std::move(event), actions);
        core_->check_invariants();
        FANFOLD_CHECK(actions.size() < most_actions);
        FANFOLD_CHECK(core_->jobs().size() <= fuzz::job_pool);
        for (Action& action : actions) {
            if (auto* persist = std::get_if<Persist>(&action)) {
                FANFOLD_CHECK(options_.durable);
                store_.append(std::move(persist->record));
            } else if (auto* fetch = std::get_if<Fetch>(&action)) {
                store_.fetch(*fetch);
            } else if (auto* send = std::get_if<Send>(&action)) {
                FANFOLD_CHECK(wire::decode(wire::encode(send->message)).has_value());
                if (auto* dispatch = std::get_if<wire::Dispatch>(&send->message)) {
                    FANFOLD_CHECK(dispatch->count > 0);
                    dispatches_.push_back({send->to, std::move(*dispatch)});
                    if (dispatches_.size() > most_dispatches) dispatches_.pop_front();
                }
            }
        }
        store_.seal();  // a step's records are safe together
    }

    /// A peer of the role that its name begins with, of which most is as usual.
    void join(fuzz::Bytes& event, fuzz::Maker& maker) {
        PeerId peer{event.pick(fuzz::peer_pool)};
        wire::Hello hello{.name = peer.bytes};
        hello.epoch = {.number = 0, .incarnation = event.below(3)};
        hello.role = peer.bytes.starts_with('w')   ? wire::Role::worker
                     : peer.bytes.starts_with('g') ? wire::Role::gatherer
                                                   : wire::Role::client;
        if (hello.role == wire::Role::gatherer) {
            hello.gatherer = {.name = peer.bytes,
                              .epoch = hello.epoch,
                              .results = {"tcp://127.0.0.1:1"},
                              .collect = {"tcp://127.0.0.1:2"}};
        }
        if (hello.role == wire::Role::worker) {
            hello.functions = {"f"};
            hello.slots = 1 + static_cast<std::uint32_t>(event.below(4));
            if (event.flag()) hello.idempotent = {"f"};
            if (event.flag()) hello.labels = {"gpu"};
            if (event.flag()) hello.resources = {{"memory", event.below(5)}};
        }
        if (event.flag()) hello.name = "f";  // one name for several lives
        step(Received{peer, std::move(hello), {}, maker.sender()});
    }

    /// Who may do what changes, somebody does what he may not, or sends what is no message.
    void change_keys(fuzz::Bytes& event, fuzz::Maker& maker) {
        switch (event.below(3)) {
            case 0: return step(Garbled{maker.peer(), "no message", maker.sender()});
            case 1: return step(Denied{maker.peer(), maker.sender(), "Hello"});
            default:
                KeysChanged change{
                    .keys = maker.make<wire::AllowedKeys>().keys, .limits = {}, .others = {}};
                change.others = {.open_jobs = event.below(3),
                                 .held_bytes = event.number(),
                                 .payload_bytes = event.number()};
                change.others.fragments = event.number();
                change.others.submissions = event.below(4);
                if (event.flag()) change.limits["ada"] = {.open_jobs = 1};
                step(std::move(change));
        }
    }

    /// The next block of a job, as its client would send it.
    void push_block(fuzz::Bytes& event, fuzz::Maker& maker) {
        wire::Block block{.job = maker.job(), .stride = 1};
        auto known = core_->jobs().find(block.job);
        if (known != core_->jobs().end()) block.first = known->second.books.next();
        block.count = static_cast<std::uint32_t>(event.below(12));
        for (std::uint32_t i = 1; i < block.count; ++i) block.cuts += std::string(4, '\0');
        if (event.flag()) block.total = block.first + block.count;
        Slice body = maker.objects(block.count);
        if (block.first == 0) {
            block.spec = maker.make<wire::JobSpec>();
            // Such sizes as a client's own shell lets through.
            if (auto message = wire::decode(wire::encode(block)))
                block = std::get<wire::Block>(*std::move(message));
            else return;
        }
        if (block.count == 0) body = {};
        step(Pulled{std::move(block), std::move(body), maker.sender()});
    }

    /// What a worker says of a part of a chunk that it was sent.
    void answer_dispatch(fuzz::Bytes& event, fuzz::Maker& maker) {
        if (dispatches_.empty()) return;
        const auto& [worker, chunk] =
            dispatches_[dispatches_.size() - 1 - event.below(dispatches_.size())];
        std::uint64_t skipped = event.below(chunk.count);
        Range part{chunk.first + skipped,
                   chunk.first + chunk.count - event.below(chunk.count - skipped)};
        wire::Done done;
        switch (event.below(4)) {
            case 0:
                done.runs = {{.job = chunk.job,
                              .range = part,
                              .busy = wire::Microseconds(event.number() % 1'000'000'000)}};
                break;
            case 1: {
                auto failure = maker.make<wire::Failure>();
                failure.index = part.begin;
                failure.attempt = chunk.attempt;
                done.failures = {{.job = chunk.job, .failures = {failure}}};
                break;
            }
            case 2: done.returned = {{.job = chunk.job, .ranges = {part}}}; break;
            default:
                done.recalled = {{.job = chunk.job, .ranges = {part}}};
                done.recall = event.number();
        }
        auto message = wire::decode(wire::encode(done));
        if (message) step(Received{worker, *std::move(message), Slice::copy(event.text(32))});
    }

    void gather(fuzz::Bytes& event, fuzz::Maker& maker) {
        PeerId gatherer{event.flag() ? "g1" : "g0"};
        JobId job = maker.job();
        auto known = core_->jobs().find(job);
        if (known == core_->jobs().end()) return;
        std::uint64_t first = event.below(16);
        if (event.below(3) > 0)
            return step(Received{gatherer,
                                 wire::Gathered{.job = job,
                                                .ranges = {{first, first + 1 + event.below(16)}},
                                                .held_bytes = event.number(),
                                                .round = known->second.life->round},
                                 {}});
        auto propose = maker.make<wire::Propose>();
        propose.job = job;
        propose.assignment = known->second.assignment->number;
        if (auto message = wire::decode(wire::encode(propose)))
            step(Received{gatherer, *std::move(message), {}});
    }

    void inventory(fuzz::Bytes& event, fuzz::Maker& maker) {
        wire::Heartbeat heartbeat{.handled = event.number()};
        PeerId worker = maker.peer();
        std::uint8_t which = event.byte();
        for (const auto& [to, chunk] : dispatches_)
            if (to == worker && (++which & 1) != 0)
                (which & 2 ? heartbeat.held : heartbeat.kept)
                    .push_back(
                        {.job = chunk.job, .ranges = {{chunk.first, chunk.first + chunk.count}}});
        step(Received{worker, std::move(heartbeat), {}});
    }

    void tell_store(fuzz::Bytes& event) {
        switch (event.below(4)) {
            case 0: return step(store_.commit());
            case 1: return step(StoreTrouble{event.flag() ? "the disk is full" : ""});
            default:
                if (auto fetched = store_.answer(event.below(8) != 7)) step(*std::move(fetched));
        }
    }

    void crash(fuzz::Bytes& event) {
        store_.crash(event.below(64));
        clock_.advance(event);
        start();
    }

    Options options_;
    std::optional<Core> core_;
    fuzz::PlayedStore store_;
    fuzz::PlayedClock clock_;
    std::deque<std::pair<PeerId, wire::Dispatch>> dispatches_;
};
}  // namespace

FANFOLD_FUZZ_TARGET(broker) {
    fuzz::Bytes input(data, size);
    PlayedBroker broker{fuzz::Bytes(input.line())};
    while (!input.empty()) broker.play(fuzz::Bytes(input.line()));
}
