#include "scatterer/cli/output/reports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/base/words.hpp"
#include "scatterer/cli/output/json_text.hpp"
#include "scatterer/cli/output/table.hpp"
#include "shared/base/duration.hpp"
#include "shared/base/text.hpp"

namespace fanfold::scatterer::cli {

namespace {

using Json = nlohmann::ordered_json;
using std::to_string;

std::string line_of(const Json& json) {
    return without_steering(json.dump(-1, ' ', false, Json::error_handler_t::replace)) + '\n';
}

double seconds(std::chrono::milliseconds time) { return static_cast<double>(time.count()) / 1000; }

std::string time_text(std::chrono::milliseconds time) { return fanfold::to_string(Duration(time)); }

std::string count_text(const std::optional<std::uint64_t>& count) {
    return count ? to_string(*count) : "?";
}

std::string took_text(const JobStatus& job) {
    return job.outcome == JobOutcome::running ? "" : time_text(job.took);
}

Json json_of(const JobStatus& job) {
    Json json{{"id", job.id},
              {"title", job.title},
              {"function", job.function},
              {"outcome", to_string(job.outcome)},
              {"reason", job.reason},
              {"total", nullptr},
              {"accepted", job.accepted},
              {"queued", job.queued},
              {"running", job.running},
              {"values", job.values},
              {"failed", job.failed},
              {"age", seconds(job.age)},
              {"took", nullptr},
              {"gatherer", job.gatherer},
              {"notice", job.notice},
              {"key", job.key},
              {"round", job.round},
              {"priority", job.priority},
              {"weight", job.weight},
              {"max_running", job.max_running},
              {"hedged", job.hedged},
              {"user", job.user}};
    if (job.total) json["total"] = *job.total;
    if (job.outcome != JobOutcome::running) json["took"] = seconds(job.took);
    return json;
}

/// Amounts as one would give them: whole multiples of a power of 1024 get its letter.
std::string resources_text(const std::vector<ResourceAmount>& resources) {
    constexpr std::string_view letters = "KMGTPE";
    std::string text;
    for (const auto& [name, amount] : resources) {
        std::size_t power = 0;
        std::uint64_t rest = amount;
        for (; power < letters.size() && rest > 0 && rest % 1024 == 0; ++power) rest /= 1024;
        text += (text.empty() ? "" : " ") + name + '=' + to_string(rest) +
                (power > 0 ? std::string(1, letters[power - 1]) : "");
    }
    return text;
}

Json json_of(const std::vector<ResourceAmount>& resources) {
    Json json = Json::object();
    for (const auto& [name, amount] : resources) json[name] = amount;
    return json;
}

/// Tables keep their lines on a screen.
std::string shortened(const std::string& title) {
    constexpr std::size_t most = limits::title_characters;
    return title.size() <= most ? title : title.substr(0, most - 3) + "...";
}

constexpr std::size_t short_id_characters = 8;

/// The end of an id, which is random: it names the job wherever a JOB is wanted.
std::string short_id(const std::string& id) {
    return id.substr(id.size() - std::min(id.size(), short_id_characters));
}

}  // namespace

std::string share_text(const JobStatus& job) {
    std::string limit = job.max_running > 0
                            ? ", at most " + to_string(job.max_running) + " fragments at a time"
                            : "";
    return fmt::format("priority {}, weight {:g}{}", job.priority, job.weight, limit);
}

std::string jobs_report(const std::vector<JobStatus>& jobs, Shown shown) {
    std::string lines;
    bool users = std::ranges::any_of(jobs, [](const JobStatus& job) { return !job.user.empty(); });
    auto line = [users](std::vector<std::string> cells, const std::string& user) {
        if (users) cells.insert(cells.begin() + 1, user);
        return cells;
    };
    Table table(line({"JOB", "OUTCOME", ">TOTAL", ">VALUES", ">FAILED", ">RUNNING", ">QUEUED",
                      ">AGE", ">TOOK", "~TITLE"},
                     "USER"));
    for (const JobStatus& job : jobs) {
        lines += shown.format == Format::json ? line_of(json_of(job)) : "";
        table.add(
            line({short_id(job.id), to_string(job.outcome), count_text(job.total),
                  to_string(job.values), to_string(job.failed), to_string(job.running),
                  to_string(job.queued), time_text(job.age), took_text(job), shortened(job.title)},
                 job.user));
    }
    return shown.format == Format::json ? lines : table.text(shown.columns);
}

std::string status_report(const JobStatus& job, Format format) {
    if (format == Format::json) return line_of(json_of(job));
    Table table({"job", job.id});
    if (!job.user.empty()) table.add({"user", job.user});
    table.add({"title", job.title});
    table.add({"function", job.function});
    if (!job.key.empty()) table.add({"key", job.key});
    table.add({"outcome", to_string(job.outcome)});
    if (!job.reason.empty()) table.add({"reason", job.reason});
    if (!job.notice.empty()) table.add({"waits for", job.notice});
    table.add({"total", job.total ? to_string(*job.total)
                                  : "not known yet: the job is still being submitted"});
    table.add({"accepted", to_string(job.accepted)});
    table.add({"queued", to_string(job.queued)});
    table.add({"running", to_string(job.running)});
    table.add({"values", to_string(job.values)});
    table.add({"failed", to_string(job.failed)});
    if (job.hedged > 0)
        table.add({"hedged", to_string(job.hedged) +
                                 (job.hedged == 1 ? " second attempt" : " second attempts")});
    table.add({"age", time_text(job.age)});
    if (job.outcome != JobOutcome::running) table.add({"took", time_text(job.took)});
    if (job.round > 0) table.add({"retried", to_string(job.round)});
    table.add({"share", share_text(job)});
    table.add({"gatherer", job.gatherer});
    return table.text();
}

std::string retry_report(const std::string& id, const JobRetry& retry, Format format) {
    if (format == Format::json)
        return line_of({{"id", id}, {"round", retry.round}, {"fragments", retry.fragments}});
    return id + ": " + to_string(retry.fragments) +
           (retry.fragments == 1 ? " fragment runs again\n" : " fragments run again\n");
}

std::string cancelled_report(const std::string& id, std::uint64_t fragments, Format format) {
    if (format == Format::json) return line_of({{"id", id}, {"cancelled", fragments}});
    return id + ": " + to_string(fragments) +
           (fragments == 1 ? " fragment has ended without a value\n"
                           : " fragments have ended without a value\n");
}

std::string forget_report(const std::string& id, Format format) {
    return format == Format::json ? line_of({{"id", id}, {"forgotten", true}})
                                  : id + " forgotten\n";
}

namespace {
nlohmann::json json_of(const std::vector<WorkerStatus::Unreached>& walls) {
    auto list = nlohmann::json::array();
    for (const auto& wall : walls)
        list.push_back({{"gatherer", wall.gatherer},
                        {"endpoint", wall.endpoint},
                        {"since", seconds(wall.since)}});
    return list;
}

/// Below the table: there is nothing to say of it while all is well.
std::string walls_text(const WorkerStatus& worker) {
    std::string text;
    for (const auto& wall : worker.unreached)
        text += printable(worker.name + " can't reach gatherer " + wall.gatherer + " at " +
                          wall.endpoint + ", for " + time_text(wall.since) +
                          ": it gets no work of its jobs") +
                '\n';
    return text;
}
}  // namespace

std::string workers_report(const std::vector<WorkerStatus>& workers, Shown shown) {
    std::string lines;
    std::string walls;
    Table table({"WORKER", ">SLOTS", ">STUCK", ">RUNNING", ">FINISHED", ">SILENT", "~LABELS",
                 "~RESOURCES", "~FUNCTIONS", "~TROUBLE"});
    for (const WorkerStatus& worker : workers) {
        if (shown.format == Format::json)
            lines += line_of({{"name", worker.name},
                              {"slots", worker.slots},
                              {"stuck_slots", worker.stuck_slots},
                              {"running", worker.running},
                              {"finished", worker.finished},
                              {"leaving", worker.leaving},
                              {"trouble", worker.trouble},
                              {"silent", seconds(worker.silent)},
                              {"labels", worker.labels},
                              {"resources", json_of(worker.resources)},
                              {"unreached", json_of(worker.unreached)},
                              {"functions", worker.functions}});
        walls += walls_text(worker);
        table.add({worker.name, to_string(worker.slots), to_string(worker.stuck_slots),
                   to_string(worker.running), to_string(worker.finished), time_text(worker.silent),
                   joined(worker.labels), resources_text(worker.resources),
                   joined(worker.functions), worker.trouble});
    }
    return shown.format == Format::json ? lines : table.text(shown.columns) + walls;
}

std::string gatherers_report(const std::vector<GathererStatus>& gatherers, Shown shown) {
    std::string lines;
    Table table({"GATHERER", "VERSION", "ADDRESS", ">RUNNING", ">ENDED", "STATE", "~TROUBLE"});
    for (const GathererStatus& gatherer : gatherers) {
        const bool empty = gatherer.running + gatherer.ended == 0;
        if (shown.format == Format::json)
            lines += line_of({{"name", gatherer.name},
                              {"version", gatherer.version},
                              {"address", gatherer.address},
                              {"running", gatherer.running},
                              {"ended", gatherer.ended},
                              {"draining", gatherer.draining},
                              {"trouble", gatherer.trouble}});
        table.add({gatherer.name, gatherer.version, gatherer.address, to_string(gatherer.running),
                   to_string(gatherer.ended),
                   !gatherer.draining ? "gathers"
                   : empty            ? "drained"
                                      : "draining",
                   gatherer.trouble});
    }
    return shown.format == Format::json ? lines : table.text(shown.columns);
}

std::string functions_report(const std::vector<WorkerStatus>& workers, Shown shown) {
    struct Offer {
        std::uint64_t slots = 0;
        std::vector<std::string> workers;
    };
    std::map<std::string, Offer> offers;
    for (const WorkerStatus& worker : workers) {
        for (const std::string& function : worker.functions) {
            offers[function].slots += worker.slots;
            offers[function].workers.push_back(worker.name);
        }
    }
    std::string lines;
    Table table({"~FUNCTION", ">SLOTS", ">WORKERS"});
    for (const auto& [function, offer] : offers) {
        if (shown.format == Format::json)
            lines +=
                line_of({{"name", function}, {"slots", offer.slots}, {"workers", offer.workers}});
        table.add({function, to_string(offer.slots), to_string(offer.workers.size())});
    }
    return shown.format == Format::json ? lines : table.text(shown.columns);
}

}  // namespace fanfold::scatterer::cli
