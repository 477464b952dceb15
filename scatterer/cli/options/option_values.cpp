#include "scatterer/cli/options/option_values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <thread>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "shared/base/duration.hpp"

namespace fanfold::scatterer::cli {

namespace {

UsageError bad_value(const char* option, const std::string& text, const std::string& wanted) {
    return UsageError(option + (" '" + text) + "': " + wanted);
}

template <class Number>
bool read_whole(const std::string& text, Number& number) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::chrono::milliseconds duration_value(const char* option, const std::string& text) {
    auto duration = parse_duration(text);
    if (!duration) throw UsageError(std::string(option) + ": " + duration.error().text);
    return std::chrono::ceil<std::chrono::milliseconds>(*duration);
}

std::uint64_t size_value(const char* option, const std::string& text) {
    auto size = parse_size(text);
    if (!size) throw UsageError(std::string(option) + ": " + size.error().text);
    if (*size == 0) throw bad_value(option, text, "a size must be at least 1");
    return *size;
}

std::uint64_t number_value(const char* option, const std::string& text, Bounds bounds) {
    std::uint64_t number = 0;
    if (!read_whole(text, number) || number < bounds.least || number > bounds.most)
        throw bad_value(option, text,
                        "a whole number from " + std::to_string(bounds.least) + " to " +
                            std::to_string(bounds.most) + " is wanted");
    return number;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> fragments_value(const char* option,
                                                                     const std::string& text) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const std::string part = text.substr(begin, end - begin);
        const std::size_t dash = std::min(part.find('-'), part.size());
        std::uint64_t first = 0, last = 0;
        const bool sound = read_whole(part.substr(0, dash), first) &&
                           read_whole(dash == part.size() ? part : part.substr(dash + 1), last) &&
                           first > 0 && first <= last;
        if (!sound)
            throw bad_value(option, text,
                            "numbers and ranges of fragments, from 1, are wanted, such as 3,5-9");
        ranges.emplace_back(first - 1, last);
        begin = end + 1;
    }
    return ranges;
}

int priority_value(const std::string& text) {
    int number = 0;
    if (!read_whole(text, number))
        throw bad_value("--priority", text, "a whole number is wanted, such as 10 or -1");
    return number;
}

double weight_value(const std::string& text) {
    double number = 0;
    if (!read_whole(text, number) ||
        !(number >= limits::least_weight && number <= limits::most_weight))
        throw bad_value("--weight", text, "a number from 0.000001 to 1000000 is wanted");
    return number;
}

SlotCount slots_value(const std::string& text) {
    const double processors = std::max(1u, std::thread::hardware_concurrency());
    const std::string wanted = "a number is wanted, up to " + std::to_string(limits::most_slots) +
                               ", or one such as +2, -1 or 50% beside this machine's processors";
    double number = 0;
    const bool percent = text.ends_with('%');
    const std::string digits = percent ? text.substr(0, text.size() - 1) : text;
    const bool relative = digits.starts_with('+') || digits.starts_with('-');
    const std::string bare = digits.starts_with('+') ? digits.substr(1) : digits;
    if (!read_whole(bare, number) || (percent && (relative || number <= 0)))
        throw bad_value("-j", text, wanted);
    if (percent) number = processors * number / 100;
    else if (relative) number = std::max(1.0, processors + number);
    if (percent) number = std::max(1.0, std::floor(number));
    if (number < 0 || number > static_cast<double>(limits::most_slots) ||
        number != std::floor(number))
        throw bad_value("-j", text, wanted);
    return {.number = static_cast<std::uint32_t>(number), .of_processors = percent || relative};
}

void gather_value(JobOptions& job, const std::string& text) {
    constexpr std::string_view quorum = "quorum=";
    if (text == "all") {
        job.gather = Gather::all;
    } else if (text == "available") {
        job.gather = Gather::available;
    } else if (text == "first") {
        job.gather = Gather::first;
    } else if (text.starts_with(quorum)) {
        job.gather = Gather::quorum;
        if (!read_whole(text.substr(quorum.size()), job.quorum) || job.quorum == 0)
            throw bad_value("--gather", text,
                            "quorum=K takes the number of results wanted, at least 1");
    } else {
        throw bad_value("--gather", text, "one of all, available, quorum=K, first is wanted");
    }
}

namespace {
/// P% from 0 to 100.
bool read_percentage(const std::string& text, double& percent) {
    return text.ends_with('%') && read_whole(text.substr(0, text.size() - 1), percent) &&
           percent >= 0 && percent <= 100;
}
}  // namespace

void max_failures_value(JobOptions& job, const std::string& text) {
    if (double percent = 0; read_percentage(text, percent)) {
        job.max_failures_percent = percent;
        return;
    }
    if (text.ends_with('%'))
        throw bad_value("--max-failures", text, "a percentage from 0% to 100% is wanted");
    std::uint64_t number = 0;
    if (!read_whole(text, number))
        throw bad_value("--max-failures", text,
                        "a number such as 10, or a percentage such as 5%, is wanted");
    job.max_failures = number;
}

void halt_value(JobOptions& job, const std::string& text) {
    constexpr std::string_view fail = "now,fail=", success = "now,success=";
    if (text == "never" || text == "0") return;
    std::uint64_t number = 0;
    if (double percent = 0;
        text.starts_with(fail) && read_percentage(text.substr(fail.size()), percent)) {
        job.max_failures_percent = percent;
        return;
    }
    if (text.starts_with(fail) && read_whole(text.substr(fail.size()), number) && number > 0) {
        job.max_failures = number - 1;
        return;
    }
    if (text.starts_with(success) && read_whole(text.substr(success.size()), number) && number > 0)
        return gather_value(job, "quorum=" + std::to_string(number));
    if (text.starts_with("soon,"))
        throw bad_value("--halt", text,
                        "what runs is not let finish: now,fail=N ends it, and nothing else begins");
    throw bad_value("--halt", text,
                    "one of never, now,fail=N, now,fail=P%, now,success=N is wanted");
}

void hedge_value(JobOptions& job, const std::string& text) {
    job.hedge = text == "auto" ? Hedge::automatic : text == "off" ? Hedge::never : Hedge::after;
    if (job.hedge != Hedge::after) return;
    auto duration = parse_duration(text);
    if (!duration || duration->count() <= 0)
        throw bad_value("--hedge", text,
                        "auto, off, or a time above 0 such as 500ms or 10s is wanted");
    job.hedge_after = std::chrono::ceil<std::chrono::milliseconds>(*duration);
}

void rerun_value(JobOptions& job, const std::string& text) {
    job.rerun = text == "never" ? Rerun::never : Rerun::after;
    if (job.rerun == Rerun::never) return;
    auto duration = parse_duration(text);
    if (!duration || duration->count() < 0)
        throw bad_value("--rerun-after", text, "a time such as 0s, 30s or 10m, or never is wanted");
    job.rerun_after = std::chrono::ceil<std::chrono::milliseconds>(*duration);
}

void require_value(JobOptions& job, const std::string& text) {
    if (text.empty())
        throw bad_value("--require", text, "a label that workers have is wanted, such as gpu");
    if (std::find(job.require.begin(), job.require.end(), text) == job.require.end())
        job.require.push_back(text);
}

void resource_value(JobOptions& job, const std::string& text) {
    constexpr const char* wanted =
        "NAME=AMOUNT is wanted, with an amount above 0 such as 1, 512M or 16G";
    auto [name, amount_text] = assignment_value("--resource", text);
    auto amount = parse_size(amount_text);
    if (!amount || *amount == 0) throw bad_value("--resource", text, wanted);
    for (const ResourceAmount& resource : job.resources)
        if (resource.name == name)
            throw bad_value("--resource", text,
                            "'" + name + "' is given twice; name each resource once");
    job.resources.push_back({name, *amount});
}

std::pair<std::string, std::string> assignment_value(const char* option, const std::string& text) {
    std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
        throw bad_value(option, text, "NAME=VALUE is wanted");
    return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace fanfold::scatterer::cli
