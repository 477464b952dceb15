#include "tests/simulation/bugs.hpp"

#include "broker/state/rows.hpp"
#include "gatherer/core/rows.hpp"
#include "shared/wire/fields.hpp"

namespace fanfold::simulation {

const std::vector<BugInfo>& planted_bugs() {
    static const std::vector<BugInfo> bugs{
        {Bug::result_not_pushed_again, "result_not_pushed_again", 100},
        {Bug::released_before_gathered, "released_before_gathered", 150},
        {Bug::position_ignored, "position_ignored", 50},
        {Bug::seal_said_once, "seal_said_once", 1500},
        {Bug::error_told_once, "error_told_once", 400},
        {Bug::deadline_not_armed, "deadline_not_armed", 600},
        {Bug::time_not_looked_at, "time_not_looked_at", 50},
        {Bug::inventory_left_out, "inventory_left_out", 50},
        {Bug::outcome_told_once, "outcome_told_once", 50},
        {Bug::attempt_forgotten, "attempt_forgotten", 50},
        {Bug::values_shifted, "values_shifted", 50},
        {Bug::block_sent_once, "block_sent_once", 150},
        {Bug::accepted_too_early, "accepted_too_early", 150},
        {Bug::shown_too_early, "shown_too_early", 600},
        {Bug::last_record_lost, "last_record_lost", 20},
        {Bug::group_torn, "group_torn", 2000},
        {Bug::blocks_erased_early, "blocks_erased_early", 3000},
        {Bug::results_not_restored, "results_not_restored", 50},
        {Bug::deadline_not_restored, "deadline_not_restored", 600},
        {Bug::held_not_adopted, "held_not_adopted", 100},
        {Bug::jobs_not_told, "jobs_not_told", 1500, Plan::restores},
        {Bug::loss_not_looked_for, "loss_not_looked_for", 100, Plan::restores},
        {Bug::entries_not_handed, "entries_not_handed", 50, Plan::drains},
        {Bug::forgotten_too_early, "forgotten_too_early", 50, Plan::drains},
    };
    return bugs;
}

bool Saboteur::seal_once(std::uint64_t life, wire::Message& message) {
    if (auto* block = std::get_if<wire::Block>(&message); block && block->total)
        if (!first_time(life, block->job, 0)) block->total.reset();
    if (auto* seal = std::get_if<wire::Seal>(&message)) return first_time(life, seal->job, 0);
    return true;
}

bool Saboteur::error_once(std::uint64_t life, wire::Message& message) {
    auto* errors = std::get_if<wire::Errors>(&message);
    if (!errors) return true;
    std::erase_if(errors->failures, [&](const auto& failure) {
        return !first_time(life, errors->job, failure.index);
    });
    return !errors->failures.empty();
}

namespace {
bool is_comparison(const wire::Message& message) {
    const auto* mark = std::get_if<wire::Mark>(&message);
    return mark && mark->number >> 63 == 1;
}
}  // namespace

bool Saboteur::without_inventory(wire::Message& message) {
    if (auto* heartbeat = std::get_if<wire::Heartbeat>(&message))
        heartbeat->held.clear(), heartbeat->kept.clear();
    return true;
}

bool Saboteur::without_entry(wire::Message& message) {
    auto* row = std::get_if<wire::HandedRow>(&message);
    if (!row || row->row != static_cast<std::uint8_t>(gatherer::Row::entry)) return true;
    row->row = static_cast<std::uint8_t>(gatherer::Row::sequence);
    row->data = wire::fields::encode_fields(gatherer::SequenceRow{});
    return true;
}

bool Saboteur::forgets_early(wire::Message& message) {
    if (auto* order = std::get_if<wire::HandOver>(&message); order && !order->stop)
        message = wire::Forget{order->job};
    return true;
}

bool Saboteur::lets_pass(std::uint64_t life, wire::Message& message) {
    switch (bug_) {
        case Bug::result_not_pushed_again:
            if (auto* results = std::get_if<wire::Results>(&message))
                return first_time(life, results->job, results->first);
            return true;
        case Bug::seal_said_once: return seal_once(life, message);
        case Bug::error_told_once: return error_once(life, message);
        case Bug::deadline_not_armed:
            if (auto* assign = std::get_if<wire::Assign>(&message)) assign->spec.deadline = {};
            return true;
        case Bug::inventory_left_out: return without_inventory(message);
        case Bug::outcome_told_once:
            if (auto* ended = std::get_if<wire::Ended>(&message))
                return first_time(life, ended->job, 0);
            return true;
        case Bug::attempt_forgotten:
            if (auto* done = std::get_if<wire::Done>(&message)) done->failures.clear();
            return true;
        case Bug::values_shifted:
            if (auto* results = std::get_if<wire::Results>(&message);
                results && results->count == 1 && results->first % 7 == 1)
                --results->first;
            return true;
        case Bug::block_sent_once:
            if (auto* block = std::get_if<wire::Block>(&message))
                return first_time(life, block->job, block->first);
            return true;
        case Bug::jobs_not_told:
            if (auto* holds = std::get_if<wire::Holds>(&message)) holds->jobs.clear();
            return true;
        case Bug::loss_not_looked_for: return !is_comparison(message);
        case Bug::entries_not_handed: return without_entry(message);
        case Bug::forgotten_too_early: return forgets_early(message);
        case Bug::none:
        case Bug::released_before_gathered:
        case Bug::position_ignored:
        case Bug::time_not_looked_at:
        case Bug::accepted_too_early:
        case Bug::shown_too_early:
        case Bug::last_record_lost:
        case Bug::group_torn:
        case Bug::blocks_erased_early:
        case Bug::results_not_restored:
        case Bug::deadline_not_restored:
        case Bug::held_not_adopted: return true;
    }
    return true;
}

bool Saboteur::restores(bool broker, Record& row) const {
    if (bug_ == Bug::results_not_restored && !broker)
        return row.kind != static_cast<std::uint8_t>(gatherer::Row::entry) &&
               row.kind != static_cast<std::uint8_t>(gatherer::Row::let_go);
    if (bug_ != Bug::deadline_not_restored) return true;
    if (!broker) {
        if (row.kind != static_cast<std::uint8_t>(gatherer::Row::job)) return true;
        auto job = std::get<gatherer::JobRow>(gatherer::read_row(row).value());
        job.spec.deadline = {};
        row.data = wire::fields::encode_fields(job);
        return true;
    }
    namespace rows = broker::rows;
    if (row.kind != static_cast<std::uint8_t>(rows::Kind::job)) return true;
    auto job = wire::fields::decode_fields<rows::Job>(row.data).value();
    job.spec.deadline = {};
    row.data = wire::fields::encode_fields(job);
    return true;
}

}  // namespace fanfold::simulation
