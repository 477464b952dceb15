#include "shared/logging.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

namespace fanfold {

namespace {
bool as_json = false;

/// Where lines go. A program that embeds the library and sets nothing up hears of errors only, and on stderr.
std::shared_ptr<spdlog::logger>& logger() {
    static auto current = [] {
        auto errors_only = std::make_shared<spdlog::logger>("fanfold", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
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

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

std::string text_line(const char* component, const Note& note) {
    std::string line = fmt::format("{}: {}", component, note.what);
    if (note.job) line += " job=" + to_string(*note.job);
    if (!note.range.empty()) line += fmt::format(" fragments={}", to_string(std::vector<Range>{note.range}));
    if (!note.peer.empty()) line += " peer=" + printable(note.peer);
    if (note.attempt > 0) line += fmt::format(" attempt={}", note.attempt);
    if (note.took.count() >= 0) line += fmt::format(" took={:.3f}ms", milliseconds(note.took));
    if (!note.detail.empty()) line += ": " + printable(note.detail);
    return line;
}

std::string json_line(const char* component, const Note& note) {
    nlohmann::ordered_json line;
    line["component"] = component;
    line["event"] = note.what;
    if (note.job) line["job"] = to_string(*note.job);
    if (!note.range.empty()) line["first"] = note.range.begin, line["count"] = note.range.size();
    if (!note.peer.empty()) line["peer"] = note.peer;
    if (note.attempt > 0) line["attempt"] = note.attempt;
    if (note.took.count() >= 0) line["took_ms"] = milliseconds(note.took);
    if (!note.detail.empty()) line["detail"] = note.detail;
    // The opening with time and level is the pattern's.
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(1);
}
}  // namespace

void set_up_logging(const LogOptions& options) {
    static const std::vector<std::string> levels = {"trace", "debug", "info", "warn", "error", "off"};
    if (std::find(levels.begin(), levels.end(), options.level) == levels.end())
        throw StartupError("--log-level: '" + options.level + "' is unknown; choose trace, debug, info, warn, error or off");
    if (options.format != "text" && options.format != "json")
        throw StartupError("--log-format: '" + options.format + "' is unknown; choose text or json");
    std::shared_ptr<spdlog::logger> made;
    try {
        if (options.file.empty())
            made = std::make_shared<spdlog::logger>("fanfold", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
        else made = std::make_shared<spdlog::logger>("fanfold", std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file));
    } catch (const spdlog::spdlog_ex& error) {
        throw StartupError("--log-file: cannot write '" + options.file + "': " + error.what());
    }
    as_json = options.format == "json";
    made->set_level(spdlog::level::from_str(options.level));
    made->set_pattern(as_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%f%z","level":"%l","pid":%P,%v)" : "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    made->flush_on(spdlog::level::debug);
    logger() = std::move(made);
}

bool logs(Level level) { return logger()->should_log(level_of(level)); }

void write_log(const char* component, const Note& note) {
    if (!logs(note.level)) return;
    logger()->log(level_of(note.level), spdlog::string_view_t(as_json ? json_line(component, note) : text_line(component, note)));
}

std::string printable(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (c == '\n') clean += "\\n";
        else if (c == '\t') clean += ' ';
        else if (byte < 0x20 || byte == 0x7f) clean += fmt::format("\\x{:02x}", byte);
        else clean += c;
    }
    return clean;
}

}  // namespace fanfold
