#include "tests/simulation/trace.hpp"

#include <cstdio>

namespace fanfold::simulation {

namespace {
/// FNV-1a.
void mix(std::uint64_t& hash, std::string_view bytes) {
    for (char c : bytes) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
}

std::string text_of(Range range) { return fanfold::to_string({range}); }
}  // namespace

void Trace::add(Time now, std::string_view bytes, const std::function<std::string()>& line) {
    auto nanoseconds = now.time_since_epoch().count();
    mix(hash_, {reinterpret_cast<const char*>(&nanoseconds), sizeof nanoseconds});
    mix(hash_, bytes);
    if (!prints_) return;
    std::printf("%12.6f  %s\n", static_cast<double>(nanoseconds) / 1e9, line().c_str());
}

std::string Trace::name_of(const JobId& job) const {
    auto it = jobs_.find(job);
    return it == jobs_.end() ? to_string(job) : "#" + std::to_string(it->second);
}

std::string Trace::describe(const wire::Message& message) const {
    std::string text = wire::name_of(message);
    auto add_ranges = [&](const char* what, const std::vector<wire::JobRanges>& items) {
        for (const auto& item : items)
            text += std::string(" ") + what + name_of(item.job) + " " + to_string(item.ranges);
    };
    auto tell = [&](const auto& m) {
        if constexpr (requires { m.job.bytes; }) text += " " + name_of(m.job);
        if constexpr (requires { m.sequence; }) text += " number " + std::to_string(m.sequence);
        if constexpr (requires { m.first, m.count; })
            text += m.count ? " " + text_of({m.first, m.first + m.count}) : " no fragment";
        if constexpr (requires { m.attempt; }) text += " attempt " + std::to_string(m.attempt);
        if constexpr (requires { m.position + 1; })
            text += " position " + std::to_string(m.position);
        if constexpr (requires { m.next; }) text += " next " + std::to_string(m.next);
        if constexpr (requires { m.handled; }) text += " handled " + std::to_string(m.handled);
        if constexpr (requires { m.held; })
            add_ranges("held ", m.held), add_ranges("kept ", m.kept);
        if constexpr (requires { m.items; }) add_ranges("", m.items);
        if constexpr (requires { m.ranges.front().begin; }) text += " " + to_string(m.ranges);
        if constexpr (requires { m.runs; }) {
            for (const auto& run : m.runs)
                text += " done " + name_of(run.job) + " " + text_of(run.range);
            for (const auto& job : m.failures)
                for (const auto& one : job.failures)
                    text += std::string(" ") + wire::to_string(one.kind) + " " + name_of(job.job) +
                            " " + std::to_string(one.index);
            add_ranges("returned ", m.returned);
        } else if constexpr (requires { m.failures.front().index; }) {
            for (const auto& one : m.failures)
                text +=
                    std::string(" ") + wire::to_string(one.kind) + " " + std::to_string(one.index);
        }
        if constexpr (requires { m.outcome; })
            text += std::string(" ") + wire::to_string(m.outcome);
        if constexpr (requires { m.values + m.failures; })
            text += " " + std::to_string(m.values) + " values " + std::to_string(m.failures) +
                    " failures";
        if constexpr (requires { *m.total; })
            text += m.total ? " total " + std::to_string(*m.total) : "";
        if constexpr (requires { m.reason.size(); })
            text += m.reason.empty() ? "" : ": " + m.reason;
        if constexpr (requires { m.text.size(); }) text += ": " + m.text;
    };
    std::visit(tell, message);
    return text;
}

}  // namespace fanfold::simulation
