// The worker's core between a broker that says anything and executors that keep their contract: its
// invariants hold after each step, a slot runs one task, and what it says can be read.
#include <deque>
#include <map>
#include <vector>

#include "tests/fuzz/maker.hpp"
#include "tests/fuzz/played_store.hpp"
#include "tests/fuzz/target.hpp"
#include "worker/core/core.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::worker;

class PlayedWorker {
public:
    explicit PlayedWorker(fuzz::Bytes setting)
        : slots_(1 + static_cast<std::uint32_t>(setting.below(4))),
          core_({.name = "w0",
                 .epoch = {.number = 0, .incarnation = 1},
                 .slots = slots_,
                 .functions = {"f", "g"}}) {
        step(Tick{});
    }

    bool left() const { return left_; }

    void play(fuzz::Bytes event) {
        fuzz::Maker maker(event);
        switch (event.below(10)) {
            case 0: clock_.advance(event); return step(Tick{});
            case 1: return welcome(event);
            case 2:
            case 3: return dispatch(event, maker);
            case 4: return report_values(event, maker);
            case 5: return report_failure(event, maker);
            case 6: return answer_trim();
            case 7: return end_task(event);
            case 8: return event.below(8) == 7 ? step(Drain{}) : step(Garbled{{}, "no message"});
            default:
                if (auto message = maker.message()) {
                    Slice body = maker.body_of(*message);
                    step(FromBroker{*std::move(message), std::move(body)});
                }
        }
    }

private:
    struct Running {
        SlotId slot = 0;
        Range rest;  // what the handler has not begun to report
    };

    void step(Event event) {
        std::vector<Action> actions;
        core_.step(clock_.now(), std::move(event), actions);
        core_.check_invariants();
        FANFOLD_CHECK(actions.size() < 5000);
        for (Action& action : actions) {
            if (auto* run = std::get_if<Run>(&action)) start(*run);
            else if (auto* trim = std::get_if<Trim>(&action)) trims_.push_back(*trim);
            else if (auto* send = std::get_if<SendBroker>(&action))
                FANFOLD_CHECK(wire::decode(wire::encode(send->message)).has_value());
            else if (auto* push = std::get_if<PushResults>(&action))
                FANFOLD_CHECK(wire::is_objects(push->body.view(), push->message.count));
            else if (std::holds_alternative<Leave>(action)) left_ = true;
        }
    }

    void start(const Run& run) {
        FANFOLD_CHECK(run.slot < slots_ && run.task.count > 0);
        for (const auto& [task, running] : running_) FANFOLD_CHECK(running.slot != run.slot);
        running_[run.task.number] = {run.slot, {run.task.first, run.task.first + run.task.count}};
    }

    void welcome(fuzz::Bytes& event) {
        wire::Welcome welcome{.epoch = {.number = 0, .incarnation = event.below(3)}};
        welcome.heartbeat = wire::Milliseconds(500);
        welcome.timeout = wire::Milliseconds(5000);
        dispatched_ = 0;
        step(FromBroker{std::move(welcome), {}});
    }

    void dispatch(fuzz::Bytes& event, fuzz::Maker& maker) {
        wire::Dispatch chunk{.sequence = dispatched_ += 1 + event.below(2),
                             .job = maker.job(),
                             .first = event.below(24)};
        chunk.count = 1 + static_cast<std::uint32_t>(event.below(12));
        chunk.brief = wire::JobBrief{.spec = {.function = event.below(8) == 7 ? "none" : "f"},
                                     .assignment = 1};
        chunk.brief->gatherer.name = "gatherer";
        Slice body = maker.objects(chunk.count);
        step(FromBroker{std::move(chunk), std::move(body)});
    }

    std::map<std::uint64_t, Running>::iterator task(fuzz::Bytes& event) {
        if (running_.empty()) return running_.end();
        return std::next(running_.begin(),
                         static_cast<std::ptrdiff_t>(event.below(running_.size())));
    }

    void report_values(fuzz::Bytes& event, fuzz::Maker& maker) {
        auto at = task(event);
        if (at == running_.end() || at->second.rest.empty()) return;
        Range& rest = at->second.rest;
        Values values{.task = at->first, .first = rest.begin, .body = {}};
        values.count =
            1 + static_cast<std::uint32_t>(event.below(std::min<std::uint64_t>(rest.size(), 200)));
        std::string body;
        for (std::uint32_t i = 0; i < values.count; ++i) wire::append_text(body, "value");
        values.body = Slice::take(std::move(body));
        values.elapsed = maker.make<wire::Microseconds>();
        rest.begin += values.count;
        step(std::move(values));
    }

    void report_failure(fuzz::Bytes& event, fuzz::Maker& maker) {
        auto at = task(event);
        if (at == running_.end() || at->second.rest.empty()) return;
        Failed failed{
            .task = at->first, .failure = {.index = at->second.rest.begin++}, .output = {}};
        failed.output = Slice::copy(event.text(32));
        failed.failure.output_bytes = failed.output.size();
        failed.failure.message = maker.make<std::string>();
        step(std::move(failed));
    }

    /// The oldest question; of a task that is over, or that has begun all, there is nothing to give
    /// up.
    void answer_trim() {
        if (trims_.empty()) return;
        Trimmed answer{.task = trims_.front().task, .range = {}};
        auto at = running_.find(answer.task);
        if (at != running_.end() && !at->second.rest.empty()) {
            Index from = std::max(trims_.front().from, at->second.rest.begin);
            if (from < at->second.rest.end) {
                answer.range = {from, at->second.rest.end};
                at->second.rest.end = from;
            }
        }
        trims_.pop_front();
        step(std::move(answer));
    }

    void end_task(fuzz::Bytes& event) {
        auto at = task(event);
        if (at == running_.end()) return;
        if (event.below(8) == 7 && !at->second.rest.empty()) {
            Overran overran{.task = at->first, .index = at->second.rest.begin};
            at->second.rest = {};
            return step(std::move(overran));
        }
        Finished finished{.task = at->first};
        running_.erase(at);
        step(std::move(finished));
    }

    std::uint32_t slots_;
    Core core_;
    fuzz::PlayedClock clock_;
    std::uint64_t dispatched_ = 0;
    std::map<std::uint64_t, Running> running_;
    std::deque<Trim> trims_;
    bool left_ = false;
};
}  // namespace

FANFOLD_FUZZ_TARGET(worker) {
    fuzz::Bytes input(data, size);
    PlayedWorker worker{fuzz::Bytes(input.line())};
    while (!input.empty() && !worker.left()) worker.play(fuzz::Bytes(input.line()));
}
