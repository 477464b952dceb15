#include "shared/log/logging.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "shared/base/limits.hpp"
#include "shared/base/text.hpp"
#include "shared/base/token_bucket.hpp"

namespace fanfold {

namespace {
bool as_json = false;

/// Where lines go. A program that embeds the library and sets nothing up hears of errors only, and
/// on stderr.
std::shared_ptr<spdlog::logger>& logger() {
    static auto current = [] {
        auto errors_only = std::make_shared<spdlog::logger>(
            "fanfold", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
        errors_only->set_level(spdlog::level::err);
        return errors_only;
    }();
    return current;
}

spdlog::level::level_enum level_of(Level level) {
    switch (level) {
        case Level::trace: return spdlog::level::trace;
        case Level::debug: return spdlog::level::debug;
        case Level::info: return spdlog::level::info;
        case Level::warn: return spdlog::level::warn;
        case Level::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

double milliseconds(Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

/// Past its rate a line is left out; the next that is written says how many were.
std::optional<std::uint64_t> take_line(const Note& note) {
    static std::mutex mutex;
    static std::map<std::pair<std::string_view, Level>, TokenBucket> rates;
    if (note.level < Level::info) return 0;  // asked for by whoever looks for something
    std::lock_guard lock(mutex);
    auto rate = note.level == Level::info
                    ? TokenRate{limits::info_lines, limits::info_interval}
                    : TokenRate{limits::warning_lines, limits::warning_interval};
    return rates.try_emplace({note.what, note.level}, rate)
        .first->second.take(std::chrono::steady_clock::now());
}

std::string text_line(const char* component, const Note& note, std::uint64_t left_out) {
    std::string line = fmt::format("{}: {}", component, note.what);
    if (note.job) line += " job=" + to_string(*note.job);
    if (!note.range.empty())
        line += fmt::format(" fragments={}", to_string(std::vector<Range>{note.range}));
    if (!note.peer.empty()) line += " peer=" + printable(note.peer);
    if (note.attempt > 0) line += fmt::format(" attempt={}", note.attempt);
    if (note.took.count() >= 0) line += fmt::format(" took={:.3f}ms", milliseconds(note.took));
    if (!note.detail.empty()) line += ": " + printable(note.detail);
    if (left_out > 0)
        line += fmt::format(" ({} lines of this kind were left out before)", left_out);
    return line;
}

/// For JSON, which escapes by itself.
std::string shortened(const std::string& text) {
    if (text.size() <= limits::shown_bytes) return text;
    return text.substr(0, limits::shown_bytes) +
           fmt::format("... ({} bytes more)", text.size() - limits::shown_bytes);
}

std::string json_line(const char* component, const Note& note, std::uint64_t left_out) {
    nlohmann::ordered_json line;
    line["component"] = component;
    line["event"] = note.what;
    if (note.job) line["job"] = to_string(*note.job);
    if (!note.range.empty()) line["first"] = note.range.begin, line["count"] = note.range.size();
    if (!note.peer.empty()) line["peer"] = shortened(note.peer);
    if (note.attempt > 0) line["attempt"] = note.attempt;
    if (note.took.count() >= 0) line["took_ms"] = milliseconds(note.took);
    if (!note.detail.empty()) line["detail"] = shortened(note.detail);
    if (left_out > 0) line["left_out"] = left_out;
    // The opening with time and level is the pattern's.
    return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).substr(1);
}
}  // namespace

void set_up_logging(const LogOptions& options) {
    static const std::vector<std::string> levels = {"trace", "debug", "info",
                                                    "warn",  "error", "off"};
    if (std::find(levels.begin(), levels.end(), options.level) == levels.end())
        throw StartupError("--log-level: '" + options.level +
                           "' is unknown; choose trace, debug, info, warn, error or off");
    if (options.format != "text" && options.format != "json")
        throw StartupError("--log-format: '" + options.format +
                           "' is unknown; choose text or json");
    std::shared_ptr<spdlog::logger> made;
    try {
        if (options.file.empty())
            made = std::make_shared<spdlog::logger>(
                "fanfold", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
        else
            made = std::make_shared<spdlog::logger>(
                "fanfold", std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file));
    } catch (const spdlog::spdlog_ex& error) {
        throw StartupError("--log-file: cannot write '" + options.file + "': " + error.what());
    }
    as_json = options.format == "json";
    made->set_level(spdlog::level::from_str(options.level));
    made->set_pattern(as_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%f%z","level":"%l","pid":%P,%v)"
                              : "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    made->flush_on(spdlog::level::debug);
    logger() = std::move(made);
}

bool logs(Level level) { return logger()->should_log(level_of(level)); }

void write_log(const char* component, const Note& note) {
    if (!logs(note.level)) return;
    auto left_out = take_line(note);
    if (!left_out) return;
    std::string line =
        as_json ? json_line(component, note, *left_out) : text_line(component, note, *left_out);
    logger()->log(level_of(note.level), spdlog::string_view_t(line));
}

}  // namespace fanfold
