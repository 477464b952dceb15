// The gatherer's core, told anything in any order: by its broker, by workers, by collectors, by its
// store; crashes in between. Its invariants hold after each step, what it says can be read, and
// what it kept is what it goes on with.
#include <map>
#include <optional>
#include <vector>

#include "gatherer/core/core.hpp"
#include "tests/fuzz/maker.hpp"
#include "tests/fuzz/played_store.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::gatherer;

constexpr std::size_t most_actions = 2000;  // of one step

class PlayedGatherer {
public:
    explicit PlayedGatherer(fuzz::Bytes setting) {
        options_.self = {
            .name = "gatherer", .results = {"tcp://127.0.0.1:1"}, .collect = {"tcp://127.0.0.1:2"}};
        options_.durable = setting.flag();
        if (setting.flag()) options_.memory_bytes = 3000;
        options_.state = "/state";
        start();
    }

    void play(fuzz::Bytes event) {
        fuzz::Maker maker(event);
        switch (event.below(13)) {
            case 0: clock_.advance(event); return step(Tick{});
            case 1: return welcome(event);
            case 2: return assign(event, maker);
            case 3: return push_results(event, maker);
            case 4: return collect(event, maker);
            case 5: return acknowledge(event);
            case 6: return tell_store(event);
            case 7: return tell_errors(event, maker);
            case 8: return crash(event);
            case 9: return step(Unroutable{maker.peer()});
            case 10:
                if (auto message = maker.message()) {
                    Slice body = maker.body_of(*message);
                    step(Pulled{*std::move(message), std::move(body), maker.sender()});
                }
                return;
            case 11: {
                PeerId from = maker.peer();
                auto message = maker.message();
                if (!message) return step(Garbled{from, "no message"});
                return step(Received{std::move(from), *std::move(message), {}, maker.sender()});
            }
            default:
                if (auto message = maker.message()) {
                    Slice body = maker.body_of(*message);
                    step(FromBroker{*std::move(message), std::move(body)});
                }
        }
    }

private:
    void start() {
        options_.self.epoch.incarnation++;
        if (options_.durable) options_.self.epoch.number++;
        options_.steady_began = clock_.since_1970() - std::chrono::floor<std::chrono::milliseconds>(
                                                          clock_.now().time_since_epoch());
        core_.emplace(options_);
        store_.each([&](const Record& record) { core_->restore(record); });
        FANFOLD_CHECK(core_->unreadable_rows() == 0);
        told_.clear();
        step(Tick{});
    }

    void step(Event event) {
        std::vector<Action> actions;
        core_->step(clock_.now(), std::move(event), actions);
        core_->check_invariants();
        FANFOLD_CHECK(actions.size() < most_actions);
        for (Action& action : actions) {
            if (auto* record = std::get_if<Record>(&action)) {
                FANFOLD_CHECK(options_.durable);
                store_.append(std::move(*record));
                store_.seal();  // a cut may be anywhere
            } else if (auto* fetch = std::get_if<Fetch>(&action)) {
                store_.fetch(*fetch);
            } else if (auto* to_broker = std::get_if<SendBroker>(&action)) {
                FANFOLD_CHECK(wire::decode(wire::encode(to_broker->message)).has_value());
            } else if (auto* send = std::get_if<Send>(&action)) {
                FANFOLD_CHECK(wire::decode(wire::encode(send->message)).has_value());
                remember(*send);
            }
        }
    }

    /// What a collector was sent, and what it can acknowledge by that.
    void remember(const Send& send) {
        if (auto* values = std::get_if<wire::Values>(&send.message)) {
            FANFOLD_CHECK(wire::is_objects(send.body.view(), values->count));
            told_[send.to] = {.job = values->job, .position = values->position};
        } else if (auto* failures = std::get_if<wire::Failures>(&send.message)) {
            told_[send.to] = {.job = failures->job, .position = failures->position};
        } else if (auto* concluded = std::get_if<wire::Concluded>(&send.message)) {
            FANFOLD_CHECK(!concluded->total ||
                          concluded->values + concluded->failures <= *concluded->total);
        }
    }

    void welcome(fuzz::Bytes& event) {
        wire::Welcome welcome{.epoch = {.number = event.below(3), .incarnation = event.below(3)}};
        welcome.heartbeat = wire::Milliseconds(500);
        welcome.timeout = wire::Milliseconds(5000);
        step(FromBroker{std::move(welcome), {}});
    }

    /// As its broker would say it: of a job that is there, perhaps in a later round or with its
    /// total.
    void assign(fuzz::Bytes& event, fuzz::Maker& maker) {
        wire::Assign assign{.job = maker.job(),
                            .assignment = static_cast<std::uint32_t>(event.below(5))};
        assign.round = static_cast<std::uint32_t>(event.below(4));
        if (event.flag()) assign.total = event.below(24);
        assign.user = fuzz::name_of_user(event.byte());
        assign.spec = maker.make<wire::JobSpec>();
        if (auto message = wire::decode(wire::encode(assign)))
            step(FromBroker{*std::move(message), {}});
    }

    void push_results(fuzz::Bytes& event, fuzz::Maker& maker) {
        wire::Results results{.job = maker.job(), .first = event.below(24)};
        results.count = 1 + static_cast<std::uint32_t>(event.below(12));
        Slice body = maker.objects(results.count);
        step(Pulled{std::move(results), std::move(body), maker.sender()});
    }

    void collect(fuzz::Bytes& event, fuzz::Maker& maker) {
        PeerId from = maker.peer();
        wire::Collect collect{.job = maker.job(), .ordered = event.flag(), .now = event.flag()};
        collect.position = event.number();
        collect.credit = event.flag() ? 1 << 20 : event.number();
        step(Received{std::move(from), std::move(collect), {}, maker.sender()});
    }

    void acknowledge(fuzz::Bytes& event) {
        if (told_.empty()) return;
        auto told =
            std::next(told_.begin(), static_cast<std::ptrdiff_t>(event.below(told_.size())));
        auto answer = told->second;
        answer.position -= std::min<std::uint64_t>(answer.position, event.below(4));
        step(Received{told->first, std::move(answer), {}});
    }

    void tell_errors(fuzz::Bytes& event, fuzz::Maker& maker) {
        if (event.flag()) {
            wire::Ended ended{.job = maker.job(),
                              .assignment = static_cast<std::uint32_t>(event.below(5))};
            ended.outcome = static_cast<wire::Outcome>(1 + event.below(5));
            if (event.flag()) ended.total = event.below(24);
            return step(FromBroker{std::move(ended), {}});
        }
        wire::Errors errors{.job = maker.job()};
        std::size_t count = 1 + event.below(3);
        std::string outputs;
        for (std::size_t i = 0; i < count; ++i) {
            wire::Failure failure{.index = event.below(24),
                                  .kind = static_cast<wire::FailureKind>(1 + event.below(4))};
            failure.output_bytes = event.below(100);
            outputs += std::string(failure.output_bytes, 'e');
            errors.failures.push_back(std::move(failure));
        }
        if (event.below(8) == 7 && !outputs.empty()) outputs.pop_back();
        step(FromBroker{std::move(errors), Slice::take(std::move(outputs))});
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
    std::map<PeerId, wire::Acknowledge> told_;
};
}  // namespace

FANFOLD_FUZZ_TARGET(gatherer) {
    fuzz::Bytes input(data, size);
    PlayedGatherer gatherer{fuzz::Bytes(input.line())};
    while (!input.empty()) gatherer.play(fuzz::Bytes(input.line()));
}
