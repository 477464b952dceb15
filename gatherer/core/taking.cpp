#include "gatherer/core/taking.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

// What is told is safe: it is said when the rows before it are.
void Taking::on_row(Step& step, wire::HandedRow row, Slice body) {
    const JobId id = row.job;
    if (row.number == 1) {
        drop(step, id);
        coming_[id].handing = row.handing;
    }
    auto at = coming_.find(id);
    if (at == coming_.end() || at->second.handing != row.handing) return;  // of one that is over
    Coming& coming = at->second;
    coming.bytes += row.data.size() + body.size();
    wire::RowTaken taken{.job = id, .handing = row.handing, .number = row.number};
    if (row.form != row_format) taken.refused = "its rows are of form " + std::to_string(row.form);
    else if (row.number != ++coming.number) taken.refused = "a row of it was lost";
    else taken.refused = row.last ? finish(step, row) : take_row(step, row, std::move(body));
    const bool enough = ++coming.rows >= limits::handed_rows || coming.bytes >= limits::told_bytes;
    if (!enough && !row.last && taken.refused.empty()) return;
    coming.bytes = coming.rows = 0;
    if (!taken.refused.empty()) drop(step, id);
    broker_.send(step, std::move(taken));
}

std::string Taking::take_row(Step& step, wire::HandedRow& row, Slice body) {
    if (!memory_.can_take(body.size())) return "there is no room for it in memory (--memory)";
    const bool is_first = row.number == 1;
    if (static_cast<Row>(row.row) == Row::broker ||
        is_first != (row.row == static_cast<std::uint8_t>(Row::job)))
        return "its rows are none of a job";
    Record record{.job = row.job,
                  .kind = row.row,
                  .number = row.place,
                  .data = std::move(row.data),
                  .body = std::move(body)};
    Restoring restoring(memory_, persistence_);
    restoring.add(jobs_.extract(row.job));
    restoring.take(record);
    const bool is_sound = restoring.unreadable() == 0 && !restoring.has_stale();
    jobs_.merge(restoring.finish().jobs);
    const Job& job = *jobs_.at(row.job);
    if (!is_sound) return job.life.damage().empty() ? "a row of it is stale" : job.life.damage();
    if (job.life.round().assignment != 0) return "its rows are none of a job that is handed over";
    persistence_.put(step, std::move(record));
    return {};
}

/// From now on it is a job like others, also for a next life.
std::string Taking::finish(Step& step, const wire::HandedRow& last) {
    auto job = jobs_.find(last.job);
    if (job == jobs_.end() || last.place == 0 ||
        last.place > std::numeric_limits<std::uint32_t>::max())
        return "its rows are none of a job";
    job->second->life.raise(static_cast<std::uint32_t>(last.place));
    // The clock of the other one's host may be another.
    job->second->life.set_opened(step.now - std::clamp<Duration>(last.age, {}, limits::oldest));
    persistence_.put_job(step, *job->second);
    coming_.at(last.job).whole = true;
    return {};
}

void Taking::drop(Step& step, const JobId& id) {
    coming_.erase(id);
    auto job = jobs_.find(id);
    if (job == jobs_.end()) return;
    persistence_.erase_job(step, id);
    job->second->assembly.abandon();
    memory_.forget(*job->second);
    jobs_.erase(job);
}

std::unique_ptr<Job> Taking::take(Step& step, const JobId& id) {
    auto at = coming_.find(id);
    if (at == coming_.end()) return nullptr;
    if (!at->second.whole) return drop(step, id), nullptr;
    coming_.erase(at);
    return std::move(jobs_.extract(id).mapped());
}

std::vector<std::unique_ptr<Job>> Taking::take_all(Step& step) {
    std::vector<std::unique_ptr<Job>> whole;
    while (!coming_.empty())
        if (auto job = take(step, JobId(coming_.begin()->first))) whole.push_back(std::move(job));
    return whole;
}

void Taking::check_invariants() const {
    for (const auto& [id, job] : jobs_) {
        FANFOLD_CHECK(coming_.contains(id));
        job->assembly.check_invariants();
        job->life.check_invariants();
    }
}

}  // namespace fanfold::gatherer
