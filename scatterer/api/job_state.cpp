#include "scatterer/api/job_state.hpp"

#include <utility>

#include "scatterer/api/conversion.hpp"
#include "scatterer/limits.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold {

namespace {
std::string range_text(const scatterer::Delivery& delivery) {
    return to_string(std::vector<Range>{{delivery.first, delivery.first + delivery.count}});
}
}  // namespace

Job::State::State(std::shared_ptr<scatterer::Client> its_client, JobId its_job)
    : client(std::move(its_client)),
      job(its_job),
      id(to_string(its_job)),
      link(std::make_shared<scatterer::JobLink>()) {}

Job::State::~State() {
    if (link->on_notice) link->on_notice->close();
    std::vector<scatterer::Event> events;
    if (consumed_bytes > 0) events.emplace_back(scatterer::Consumed{job, consumed, consumed_bytes});
    if (outbox) {
        bool never_whole = !outbox->sealed();
        outbox->close();
        if (!outbox->opened()) return;  // nobody has heard of it
        if (attached || (never_whole && !has_key))
            events.emplace_back(scatterer::CancelJob{job, "its client let go of it"});
    }
    events.emplace_back(scatterer::CloseJob{job});
    client->post(job, std::move(events), link);
}

scatterer::Outbox& Job::State::scattering() {
    if (!outbox)
        throw FanfoldError("job " + id +
                           " was opened elsewhere; fragments are added where it was opened");
    return *outbox;
}

scatterer::Outbox::Ways Job::State::ways() {
    return {.post = [client = client.get(), job = job,
                     link = link](auto events) { client->post(job, std::move(events), link); },
            .look_soon = [this] { client->look_soon(outbox); },
            .while_waiting = [this] { absorb(); },
            .inbox = link->inbox};
}

bool Job::State::advance(std::optional<Time> until) {
    if (current) {
        consumed = current->receipt;
        if (!current->told) consumed_bytes += current->body.size();
        current.reset();
        acknowledge(scatterer::limits::acknowledged_bytes);
    }
    if (!collecting) collect();
    if (waiting.empty()) {
        acknowledge(scatterer::limits::worth_acknowledging);
        if (outbox) {
            outbox->flush_own();
            outbox->open();
        }
        if (!link->inbox->take(waiting, until) || waiting.empty()) return false;
    }
    current = std::move(waiting.front());
    waiting.pop_front();
    read_count = 0;
    read_bytes = 0;
    return true;
}

void Job::State::refuse_current() {
    std::string what = "job " + id + ": the results of fragments " + range_text(*current) +
                       " by worker '" + current->meta.worker + "' are not " +
                       std::to_string(current->count) + " MessagePack objects";
    current->failure.emplace();  // they are skipped by the next call
    throw FanfoldError(what);
}

void Job::State::collect() {
    collecting = true;
    if (outbox) outbox->open();
    std::vector<scatterer::Event> events;
    if (watches) events.emplace_back(scatterer::WatchJob{job});
    events.emplace_back(scatterer::CollectJob{job, how});
    client->post(job, std::move(events), link);
}

void Job::State::acknowledge(std::uint64_t at_least) {
    if (consumed_bytes < at_least) return;
    client->post(job, {scatterer::Consumed{job, consumed, std::exchange(consumed_bytes, 0)}}, link);
}

void Job::State::absorb() {
    std::unique_lock lock(gathering, std::try_to_lock);
    if (!lock || !collecting) return;  // somebody collects at this moment, or nobody has asked
    std::size_t before = waiting.size();
    link->inbox->take(waiting, Time{});
    if (waiting.size() == before) return;
    std::uint64_t bytes = 0;
    for (std::size_t i = before; i < waiting.size(); ++i) {
        bytes += waiting[i].body.size();
        waiting[i].told = true;
    }
    client->post(job, {scatterer::Consumed{job, waiting.back().receipt, bytes}}, link);
}

ResultRun Job::State::current_run() {
    const auto& delivery = *current;
    if (delivery.failure) return scatterer::run_of(*delivery.failure, delivery.body);
    ResultRun run;
    run.first = delivery.first + read_count;
    run.count = delivery.count - read_count;
    run.values = delivery.body.view().substr(read_bytes);
    run.owner = delivery.body.owner();
    run.worker = delivery.meta.worker;
    run.attempt = delivery.meta.attempt;
    run.started = std::chrono::microseconds(delivery.meta.started.count());
    run.elapsed = std::chrono::microseconds(delivery.meta.elapsed.count());
    read_count = delivery.count;
    return run;
}

FragmentResult Job::State::next_value() {
    const auto& delivery = *current;
    auto rest = delivery.body.view().substr(read_bytes);
    auto whole = wire::object_length(rest);
    bool last = read_count + 1 == delivery.count;
    if (!whole || (last && *whole != rest.size())) refuse_current();
    std::size_t length = *whole;
    FragmentResult result;
    result.index = delivery.first + read_count;
    result.packed = rest.substr(0, length);
    result.attempt = delivery.meta.attempt;
    result.worker = delivery.meta.worker;
    result.started = std::chrono::microseconds(delivery.meta.started.count());
    result.elapsed = std::chrono::microseconds(delivery.meta.elapsed.count());
    read_bytes += length;
    ++read_count;
    return result;
}

std::optional<ResultRun> Job::State::run(std::optional<Time> until) {
    std::lock_guard lock(gathering);
    bool rest = current && !current->failure && read_count > 0 && read_count < current->count;
    if (rest || advance(until)) {
        bool sound = current->failure || wire::is_objects(current->body.view().substr(read_bytes),
                                                          current->count - read_count);
        if (!sound) refuse_current();
        return current_run();
    }
    if (auto refusal = link->inbox->refusal()) throw FanfoldError(*refusal);
    return std::nullopt;
}

std::optional<ResultRun> Job::State::next_run(std::optional<Time> until) {
    auto next = run(until);
    if (!next) check_end();
    return next;
}

void Job::State::check_end() const {
    auto end = inner && !cancelled ? link->inbox->end() : std::nullopt;
    if (end && end->outcome == wire::Outcome::cancelled)
        throw FanfoldError("inner job " + id + " was cancelled: " + end->reason);
}

std::optional<JobEnd> Job::State::wait(std::optional<Time> until) {
    while (run(until)) {
    }
    if (!link->inbox->finished()) return std::nullopt;
    return scatterer::end_of(*link->inbox->end());
}

std::optional<FragmentResult> Job::State::next() {
    {
        std::lock_guard lock(gathering);
        bool rest = current && !current->failure && read_count < current->count;
        if (rest || advance({})) {
            if (!current->failure) return next_value();
            return *scatterer::run_of(*current->failure, current->body).failure;
        }
    }
    if (auto refusal = link->inbox->refusal()) throw FanfoldError(*refusal);
    check_end();
    return std::nullopt;
}

}  // namespace fanfold
