// The scatterer's core between a user who keeps the contract of its calls and a fleet that says
// anything: its invariants hold after each step, each job hears one last word and nothing after it,
// each question one answer, each fragment is delivered once.
#include <map>
#include <set>
#include <vector>

#include "scatterer/core/core.hpp"
#include "tests/fuzz/maker.hpp"
#include "tests/fuzz/played_store.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::scatterer;

constexpr const char* gatherers[] = {"gatherer", "other", ""};

class PlayedScatterer {
public:
    PlayedScatterer()
        : core_({.broker = "tcp://127.0.0.1:7411",
                 .name = "client",
                 .epoch = {.number = 0, .incarnation = 1}}) {
        step(ControlOpened{{"c0"}});
    }

    void play(fuzz::Bytes event) {
        fuzz::Maker maker(event);
        switch (event.below(12)) {
            case 0: clock_.advance(event); return step(Tick{});
            case 1: return welcome(event);
            case 2: return open(event, maker);
            case 3: return append(event, maker);
            case 4: return answer_submission(event, maker);
            case 5: return locate(event, maker);
            case 6: return deliver(event, maker);
            case 7: return consume(event);
            case 8: return call(event, maker);
            case 9: return ask(event, maker);
            case 10: {
                GathererKey from = gatherer(event);
                auto message = maker.message();
                if (!message) return step(Garbled{{}, "no message"});
                Slice body = maker.body_of(*message);
                return step(FromGatherer{std::move(from), *std::move(message), std::move(body)});
            }
            default:
                if (auto message = maker.message()) {
                    Slice body = maker.body_of(*message);
                    step(FromBroker{*std::move(message), std::move(body)});
                }
        }
    }

private:
    struct Known {
        bool own = false;
        bool closed = false;
        bool over = false;  // it heard its last word
        Index end = 0;      // of what was appended
        bool sealed = false;
        RangeSet delivered{};
        std::vector<Consumed> unconsumed{};
    };

    void step(Event event) {
        std::vector<Action> actions;
        core_.step(clock_.now(), std::move(event), actions);
        core_.check_invariants();
        FANFOLD_CHECK(actions.size() < 2000);
        bool reconnects = false;
        for (Action& action : actions) {
            std::visit([this](const auto& known) { look_at(known); }, action);
            reconnects |= std::holds_alternative<Reconnect>(action);
        }
        if (reconnects) step(ControlOpened{{"c1"}});
    }

    template <class T>
    void look_at(const T&) {}
    void look_at(const SendBroker& send) {
        FANFOLD_CHECK(wire::decode(wire::encode(send.message)).has_value());
    }
    void look_at(const SendGatherer& send) {
        FANFOLD_CHECK(wire::decode(wire::encode(send.message)).has_value());
    }
    void look_at(const PushBlock& push) {
        FANFOLD_CHECK(wire::decode(wire::encode(push.message)).has_value());
        FANFOLD_CHECK(wire::is_objects(push.body.view(), push.message.count));
    }
    void look_at(const Deliver& run) {
        Known& job = listening(run.job);
        FANFOLD_CHECK(run.count > 0 &&
                      job.delivered.add({run.first, run.first + run.count}) == run.count);
        job.unconsumed.push_back({.job = run.job, .upto = run.receipt, .bytes = run.body.size()});
    }
    void look_at(const DeliverFailure& failure) {
        Known& job = listening(failure.job);
        FANFOLD_CHECK(job.delivered.add({failure.failure.index, failure.failure.index + 1}) == 1);
        job.unconsumed.push_back(
            {.job = failure.job, .upto = failure.receipt, .bytes = failure.output.size()});
    }
    void look_at(const JobConcluded& word) { end(word.job); }
    void look_at(const JobRefused& word) { end(word.job); }
    void look_at(const Answer& answer) { FANFOLD_CHECK(questions_.erase(answer.number) == 1); }

    /// A job that may still hear something.
    Known& listening(const JobId& job) {
        FANFOLD_CHECK(jobs_.contains(job));
        Known& known = jobs_.at(job);
        FANFOLD_CHECK(!known.closed && !known.over);
        return known;
    }
    void end(const JobId& job) { listening(job).over = true; }

    static GathererKey gatherer(fuzz::Bytes& event) {
        std::uint8_t which = event.byte();
        return {.name = gatherers[which % std::size(gatherers)],
                .epoch = {.number = 0, .incarnation = which / 64u}};
    }
    static wire::GathererRef reference(const GathererKey& key) {
        return {.name = key.name,
                .epoch = key.epoch,
                .results = {"tcp://127.0.0.1:1"},
                .collect = {"tcp://127.0.0.1:2"}};
    }

    void welcome(fuzz::Bytes& event) {
        wire::Welcome welcome{.epoch = {.number = event.below(3), .incarnation = event.below(3)},
                              .blocks = {"tcp://127.0.0.1:7412"}};
        if (event.flag()) welcome.gatherers.push_back(reference(gatherer(event)));
        welcome.heartbeat = wire::Milliseconds(500);
        welcome.timeout = wire::Milliseconds(5000);
        welcome.job_credit = event.flag() ? event.number() : scatterer::limits::job_credit_bytes;
        step(FromBroker{std::move(welcome), {}});
    }

    /// Ids are random: each job is opened once.
    void open(fuzz::Bytes& event, fuzz::Maker& maker) {
        JobId job = maker.job();
        if (jobs_.contains(job)) return;
        OpenJob opening{.job = job, .spec = maker.make<wire::JobSpec>(), .collect = {}};
        std::uint8_t how = event.byte();
        if ((how & 1) != 0)
            opening.collect = CollectHow{.ordered = (how & 2) != 0, .now = (how & 4) != 0};
        Known& known = jobs_[job];
        known.own = true;
        if ((how & 24) == 24) {
            opening.spec.key = "key";
            opening.continues = Continuation{
                .next = event.below(20), .bytes = event.number(), .limit = event.number()};
            known.end = opening.continues->next;
        }
        // What the user hands in has sound sizes; only the codec knows them.
        if (wire::decode(wire::encode(wire::Block{.job = job, .spec = opening.spec})))
            return step(std::move(opening));
        jobs_.erase(job);
    }

    void append(fuzz::Bytes& event, fuzz::Maker& maker) {
        JobId job = maker.job();
        auto at = jobs_.find(job);
        if (at == jobs_.end() || !at->second.own || at->second.sealed || at->second.closed) return;
        Known& known = at->second;
        std::size_t count = event.below(40);
        if (count == 0) {
            known.sealed = true;
            return step(SealJob{.job = job, .total = known.end});
        }
        BlockBuilder builder({});
        std::string payload(event.below(64), 'p');
        for (std::size_t i = 0; i < count; ++i)
            FANFOLD_CHECK(builder.add_text(payload).has_value());
        AppendBlock block{.job = job, .block = builder.take()};
        block.block.first = known.end;
        known.end = block.block.end();
        if (event.flag()) {
            known.sealed = true;
            block.total = known.end;
        }
        step(std::move(block));
    }

    void answer_submission(fuzz::Bytes& event, fuzz::Maker& maker) {
        JobId job = maker.job();
        if (event.flag())
            return step(FromBroker{wire::Sealed{.job = job, .total = event.below(40)}, {}});
        step(FromBroker{
            wire::Accepted{.job = job, .next = event.below(80), .limit = event.number()}, {}});
    }

    void locate(fuzz::Bytes& event, fuzz::Maker& maker) {
        wire::Located located{.job = maker.job(),
                              .assignment = static_cast<std::uint32_t>(event.below(5))};
        located.gatherer = reference(gatherer(event));
        step(FromBroker{std::move(located), {}});
    }

    /// What a gatherer streams: sound, but in any order.
    void deliver(fuzz::Bytes& event, fuzz::Maker& maker) {
        GathererKey from = gatherer(event);
        JobId job = maker.job();
        std::uint64_t position = event.below(40);
        switch (event.below(3)) {
            case 0: {
                wire::Values values{.job = job, .position = position, .first = event.below(24)};
                values.count = 1 + static_cast<std::uint32_t>(event.below(8));
                Slice body = maker.objects(values.count);
                return step(FromGatherer{std::move(from), std::move(values), std::move(body)});
            }
            case 1: {
                wire::Failures failures{.job = job, .position = position};
                failures.failures = {{.index = event.below(24)}};
                failures.failures[0].output_bytes = event.below(16);
                Slice body = Slice::copy(std::string(failures.failures[0].output_bytes, 'e'));
                return step(FromGatherer{std::move(from), std::move(failures), std::move(body)});
            }
            default: {
                wire::Concluded concluded{.job = job,
                                          .outcome = static_cast<wire::Outcome>(event.below(6))};
                concluded.values = event.below(24);
                concluded.failures = event.below(4);
                return step(FromGatherer{std::move(from), std::move(concluded), {}});
            }
        }
    }

    void consume(fuzz::Bytes& event) {
        for (auto& [id, job] : jobs_) {
            if (job.closed || job.unconsumed.empty() || event.flag()) continue;
            Consumed consumed = job.unconsumed.front();
            job.unconsumed.erase(job.unconsumed.begin());
            step(std::move(consumed));
            return;
        }
    }

    void call(fuzz::Bytes& event, fuzz::Maker& maker) {
        JobId job = maker.job();
        std::uint8_t which = event.byte();
        if (which % 6 == 5 && which > 200) return step(Leave{});
        auto at = jobs_.find(job);
        if (which % 6 == 4 &&
            (at == jobs_.end() || (!at->second.own && (at->second.over || at->second.closed)))) {
            jobs_.insert_or_assign(job, Known{});  // of somebody else; watched anew
            return step(WatchJob{job});
        }
        if (at == jobs_.end() || at->second.closed) return;
        switch (which % 6) {
            case 0: return step(CancelJob{job, "not wanted"});
            case 1: return step(CollectJob{job, {.ordered = event.flag(), .now = event.flag()}});
            case 2: at->second.closed = true; return step(CloseJob{job});
            default: return;
        }
    }

    void ask(fuzz::Bytes& event, fuzz::Maker& maker) {
        std::uint64_t number = ++asked_;
        questions_.insert(number);
        switch (event.below(5)) {
            case 0: return step(Ask{number, wire::Query{.number = number}});
            case 1: return step(Ask{number, wire::Find{.number = number, .key = "key"}});
            case 2: return step(Ask{number, wire::Retry{maker.job()}});
            case 3: return step(Ask{number, wire::Forget{maker.job()}});
            default: return step(Ask{number, wire::Adjust{.job = maker.job()}});
        }
    }

    Core core_;
    fuzz::PlayedClock clock_;
    std::map<JobId, Known> jobs_;
    std::set<std::uint64_t> questions_;
    std::uint64_t asked_ = 0;
};
}  // namespace

FANFOLD_FUZZ_TARGET(scatterer) {
    fuzz::Bytes input(data, size);
    PlayedScatterer scatterer;
    while (!input.empty()) scatterer.play(fuzz::Bytes(input.line()));
}
