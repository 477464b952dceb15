#include "shared/log/logging.hpp"

#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <charconv>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "shared/base/duration.hpp"
#include "shared/base/limits.hpp"
#include "shared/base/text.hpp"
#include "shared/base/token_bucket.hpp"

namespace fanfold {

namespace {
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

/// How the file is opened; without a file nothing.
struct LogFile {
    spdlog::filename_t name;
    std::size_t bytes = 0;
    std::size_t old_files = 0;
    std::string pattern;
    // The one sink of the logger, which hands over to the file that is open.
    std::shared_ptr<spdlog::sinks::dist_sink_mt> sink =
        std::make_shared<spdlog::sinks::dist_sink_mt>();

    /// Throws spdlog_ex.
    void open() const {
        auto file = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(name, bytes, old_files);
        file->set_pattern(pattern);
        sink->set_sinks({std::move(file)});
    }
};

/// Where lines go.
struct Log {
    std::shared_ptr<spdlog::logger> logger;
    bool as_json = false;
    std::optional<LogFile> file;
    bool is_set_up = true;
};

/// A program that embeds the library and sets nothing up hears of errors only, and on stderr.
std::shared_ptr<const Log> usual_log() {
    auto logger = std::make_shared<spdlog::logger>(
        "fanfold", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_level(spdlog::level::trace);  // the threshold decides
    return std::make_shared<Log>(Log{.logger = std::move(logger), .file = {}, .is_set_up = false});
}

/// The process's log, which one worker of a program may set up while others write.
class CurrentLog {
public:
    std::shared_ptr<const Log> get() {
        std::lock_guard lock(mutex_);
        return log_;
    }
    void set(Log log, spdlog::level::level_enum threshold) {
        auto made = std::make_shared<const Log>(std::move(log));
        std::lock_guard lock(mutex_);
        log_ = std::move(made);
        threshold_ = threshold;
    }
    bool takes(spdlog::level::level_enum level) const {
        return level >= threshold_.load(std::memory_order_relaxed);
    }

private:
    std::mutex mutex_;
    std::shared_ptr<const Log> log_ = usual_log();
    std::atomic<spdlog::level::level_enum> threshold_ = spdlog::level::err;
};

/// Never destroyed: threads that are left behind write until the process is gone.
CurrentLog& current_log() {
    static auto* current = new CurrentLog;
    return *current;
}

/// Throws StartupError.
LogFile log_file_of(const LogOptions& options, const std::string& pattern) {
    const auto colon = options.rotate.find(':');
    auto size = parse_size(options.rotate.substr(0, colon));
    std::size_t files = 0;
    const std::string count = colon == std::string::npos ? "" : options.rotate.substr(colon + 1);
    auto read = std::from_chars(count.data(), count.data() + count.size(), files);
    if (!size || read.ec != std::errc() || read.ptr != count.data() + count.size() ||
        files > limits::old_log_files)
        throw StartupError("--log-rotate: '" + options.rotate +
                           "' is not SIZE:COUNT; write 100M:5 for files of 100 MiB, of which five "
                           "old ones are kept (" +
                           std::to_string(limits::old_log_files) + " at most), or 0:0 for none");
    const std::size_t bytes = *size > 0 ? *size : std::numeric_limits<std::size_t>::max();
    return {.name = options.file, .bytes = bytes, .old_files = files, .pattern = pattern};
}

std::string text_line(const char* component, const Note& note, std::uint64_t left_out) {
    std::string line = fmt::format("{}: {}", component, note.what);
    if (note.job) line += " job=" + to_string(*note.job);
    if (!note.range.empty())
        line += fmt::format(" fragments={}", to_string(std::vector<Range>{note.range}));
    if (!note.peer.empty()) line += " peer=" + printable(note.peer, limits::logged_name_bytes);
    if (note.attempt > 0) line += fmt::format(" attempt={}", note.attempt);
    if (note.took.count() >= 0) line += fmt::format(" took={:.3f}ms", milliseconds(note.took));
    if (!note.detail.empty()) line += ": " + printable(note.detail);
    if (left_out > 0)
        line += fmt::format(" ({} lines of this kind were left out before)", left_out);
    return line;
}

/// For JSON, which escapes by itself.
std::string shortened(const std::string& text, std::size_t most) {
    if (text.size() <= most) return text;
    return text.substr(0, most) + fmt::format("... ({} bytes more)", text.size() - most);
}

std::string json_line(const char* component, const Note& note, std::uint64_t left_out) {
    nlohmann::ordered_json line;
    line["component"] = component;
    line["event"] = note.what;
    if (note.job) line["job"] = to_string(*note.job);
    if (!note.range.empty()) line["first"] = note.range.begin, line["count"] = note.range.size();
    if (!note.peer.empty()) line["peer"] = shortened(note.peer, limits::logged_name_bytes);
    if (note.attempt > 0) line["attempt"] = note.attempt;
    if (note.took.count() >= 0) line["took_ms"] = milliseconds(note.took);
    if (!note.detail.empty()) line["detail"] = shortened(note.detail, limits::shown_bytes);
    if (left_out > 0) line["left_out"] = left_out;
    // The opening with time and level is the pattern's.
    return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).substr(1);
}

void write_line(const Log& log, const char* component, const Note& note) {
    auto left_out = take_line(note);
    if (!left_out) return;
    std::string line =
        log.as_json ? json_line(component, note, *left_out) : text_line(component, note, *left_out);
    log.logger->log(level_of(note.level), spdlog::string_view_t(line));
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
    const bool as_json = options.format == "json";
    const std::string pattern = as_json
                                    ? R"({"time":"%Y-%m-%dT%H:%M:%S.%f%z","level":"%l","pid":%P,%v)"
                                    : "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v";
    auto file = log_file_of(options, pattern);
    spdlog::sink_ptr sink = file.sink;
    if (options.file.empty()) {
        sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
        sink->set_pattern(pattern);
    } else {
        try {
            file.open();
        } catch (const spdlog::spdlog_ex& error) {
            throw StartupError("--log-file: cannot write '" + options.file + "': " + error.what());
        }
    }
    auto made = std::make_shared<spdlog::logger>("fanfold", std::move(sink));
    made->set_level(spdlog::level::from_str(options.level));
    made->flush_on(spdlog::level::debug);
    const auto threshold = made->level();
    std::optional<LogFile> in_file;
    if (!options.file.empty()) in_file = std::move(file);
    current_log().set({.logger = std::move(made), .as_json = as_json, .file = std::move(in_file)},
                      threshold);
}

void reopen_log_file() {
    const auto log = current_log().get();
    if (!log->file) return;
    try {
        log->file->open();
    } catch (const spdlog::spdlog_ex& error) {
        write_log("log", {.level = Level::error,
                          .what = "the log's file can't be opened anew: the old one is used",
                          .detail = error.what()});
    }
}

bool logs(Level level) { return current_log().takes(level_of(level)); }

void write_log(const char* component, const Note& note) {
    if (logs(note.level)) write_line(*current_log().get(), component, note);
}

void write_said(const char* component, const Note& note) {
    const auto log = current_log().get();
    if (!log->is_set_up || logs(note.level)) write_line(*log, component, note);
}

}  // namespace fanfold
