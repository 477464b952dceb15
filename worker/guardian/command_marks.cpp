#include "worker/guardian/command_marks.hpp"

#include <charconv>
#include <string_view>
#include <utility>

#include "worker/guardian/cgroups.hpp"
#include "worker/guardian/guardian_protocol.hpp"
#include "worker/guardian/process_tree.hpp"

namespace fanfold::worker::guardian {

namespace {

std::optional<std::uint64_t> number_after(std::string_view text, std::string_view mark) {
    const auto at = text.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + mark.size());
    std::uint64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return read.ec == std::errc{} ? std::optional(number) : std::nullopt;
}

}  // namespace

CommandMarks::CommandMarks(Options options)
    : options_(std::move(options)),
      group_mark_(options_.cgroup.substr(options_.cgroup.rfind('/') + 1) + "/") {}

std::string CommandMarks::entry(std::uint64_t id) const { return mark_of(options_.guardian, id); }

std::string CommandMarks::group_of(std::uint64_t id) const {
    return options_.cgroup + "/" + std::to_string(id);
}

Descriptor CommandMarks::make_group(std::uint64_t id) const {
    return options_.cgroup.empty() ? Descriptor() : make_cgroup(group_of(id));
}

std::optional<std::uint64_t> CommandMarks::owner_by_cgroup(pid_t pid) const {
    if (options_.cgroup.empty()) return std::nullopt;
    return number_after(cgroup_of(pid), group_mark_);
}

std::optional<std::uint64_t> CommandMarks::owner(pid_t pid) const {
    if (const auto id = owner_by_cgroup(pid)) return id;
    const std::string mark = mark_of(options_.guardian);
    const auto entry = environment_entry(pid, mark);
    return entry ? number_after(*entry, mark) : std::nullopt;
}

void CommandMarks::kill(std::uint64_t id) const {
    if (!options_.cgroup.empty()) kill_cgroup(group_of(id));
}

bool CommandMarks::drop(std::uint64_t id) const {
    return options_.cgroup.empty() || remove_cgroup(group_of(id));
}

void CommandMarks::kill_all() const {
    if (!options_.cgroup.empty()) kill_cgroup(options_.cgroup);
}

void CommandMarks::drop_all() const {
    if (!options_.cgroup.empty()) remove_cgroup(options_.cgroup);
}

}  // namespace fanfold::worker::guardian
