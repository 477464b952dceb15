#include "broker/dispatch/loads.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::broker {

void Loads::add(Session& worker, const LentKey& key, LentChunk chunk) {
    Load& load = *worker.load.write();
    load.lent[key] = chunk;
    if (chunk.guest) ++load.guests;
}

void Loads::change(Session& worker, const Job& job, const LoanChange& change) {
    Load& load = *worker.load.write();
    LentKey key{change.dispatch, job.id};
    LentChunk& chunk = load.lent[key];
    auto fragments = static_cast<double>(change.fragments);
    load.work += fragments * chunk.nanoseconds_each;
    load.bytes += fragments * chunk.bytes_each;
    bool fresh = chunk.fragments == 0;
    chunk.fragments += change.fragments;
    bool gone = chunk.fragments <= 0;
    bool unknown = chunk.nanoseconds_each <= 0;
    if (fresh && unknown) ++load.unknown_chunks;
    if (gone && unknown) --load.unknown_chunks;
    for (const wire::Resource& resource : job.spec->resources) {
        if (fresh) load.taken[resource.name] += resource.amount;
        if (gone) load.taken[resource.name] -= resource.amount;
    }
    if (gone && chunk.guest) --load.guests;
    if (gone) load.lent.erase(key);
    if (load.lent.empty()) load.work = load.bytes = 0;
}

bool Loads::set_usable(Session& worker, const wire::Heartbeat& heartbeat) {
    Load& load = *worker.load.write();
    const std::uint32_t before = worker.usable_slots();
    load.stuck_slots = heartbeat.stuck_slots;
    load.leaving = heartbeat.leaving;
    load.trouble = heartbeat.trouble;
    load.untold = false;
    return worker.usable_slots() != before;
}

void Loads::send(const Step& step, Session& worker, std::uint64_t dispatch, std::uint64_t bytes) {
    if (worker.knows_marks()) worker.load.write()->flow.sent(dispatch, bytes, step.now);
}

bool Loads::arrive(const Step& step, Session& worker, std::uint64_t dispatch) {
    Flow& flow = worker.load.write()->flow;
    const bool was_full = flow.is_full();
    flow.arrived(dispatch, step.now);
    return was_full && !flow.is_full();
}

bool Loads::look(const Step& step, Session& worker) {
    Flow& flow = worker.load.write()->flow;
    const bool was_full = flow.is_full();
    flow.look(step.now);
    return was_full && !flow.is_full();
}

void Loads::learn_round_trip(const Step& step, Session& worker, const LentChunk& chunk,
                             Duration busy) {
    Duration& known = worker.load.write()->round_trip;
    const Duration seen = std::max(step.lived - chunk.sent - busy, Duration{});
    if (chunk.waits ||
        chunk.bytes_each * static_cast<double>(chunk.fragments) > limits::probe_bytes)
        return;
    known = known == Duration{} ? seen : known + (seen - known) / 8;
}

std::uint64_t Loads::count_handled(Session& worker, std::uint64_t handled, LivedTime lived) {
    if (worker.knows_marks()) return handled;
    std::uint64_t past = handled;
    for (auto& [key, chunk] : worker.load.write()->lent) {
        if (key.dispatch.is_handled(handled) || ++chunk.missed < limits::lost_after) continue;
        if (lived - chunk.sent >= limits::resend_after)
            past = std::max(past, key.dispatch.sequence);
    }
    return past;
}

void Loads::set_concern(Session& worker, const JobId& job, bool concerns) {
    if (concerns) worker.load.write()->jobs.insert(job);
    else worker.load.write()->jobs.erase(job);
}

void Loads::take_over(Session& worker, const Session& before) {
    worker.load.write()->jobs = before.load->jobs;
    worker.load.write()->finished = before.load->finished;
    worker.load.write()->leaving = before.load->leaving;
    worker.load.write()->untold = true;
}

void Loads::check_invariants(const Jobs& jobs, const Sessions& sessions) {
    std::map<PeerId, std::map<LentKey, std::int64_t>> lent;
    for (const auto& [id, job] : jobs.all())
        for (const Holdings<Loan>* loans :
             {&job.books.loans().first(), &job.books.loans().second()})
            for (const auto& span : loans->all()) {
                FANFOLD_CHECK(sessions.all().contains(span.value.worker));
                lent[span.value.worker][{span.value.dispatch, id}] +=
                    static_cast<std::int64_t>(span.range.size());
            }
    for (const auto& [peer, session] : sessions.all()) {
        FANFOLD_CHECK(session.load->lent.size() == lent[peer].size());
        std::map<std::string, std::uint64_t> taken;
        FANFOLD_CHECK(session.load->guests ==
                      std::ranges::count_if(session.load->lent,
                                            [](const auto& each) { return each.second.guest; }));
        for (const auto& [key, chunk] : session.load->lent) {
            FANFOLD_CHECK(chunk.fragments == lent[peer][key]);
            for (const auto& resource : jobs.all().at(key.job).spec->resources)
                taken[resource.name] += resource.amount;
        }
        for (const auto& [name, amount] : session.load->taken) FANFOLD_CHECK(amount == taken[name]);
    }
}

}  // namespace fanfold::broker
