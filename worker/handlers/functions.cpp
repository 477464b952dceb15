#include "worker/handlers/functions.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <utility>

#include "shared/base/text.hpp"
#include "shared/wire/codec.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

constexpr std::string_view reserved = "fanfold.";

bool is_name_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._-:/@+").find(c) != std::string_view::npos;
}

constexpr std::size_t shown_bytes = 100;  // of a text that is no time to wait for

std::optional<double> number_in(std::string_view text) {
    const std::string digits(text);
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    const bool whole =
        end != digits.c_str() && static_cast<std::size_t>(end - digits.c_str()) == digits.size();
    return whole ? std::optional(value) : std::nullopt;
}

void fail_with_payload(Context&, std::string_view payload, std::string&) {
    auto text = wire::text_of(payload);
    throw std::runtime_error(text ? std::string(*text)
                                  : "fanfold.fail was called with a payload that is no text");
}

void check_name(const std::string& name) {
    auto refuse = [&](const std::string& why) {
        throw std::invalid_argument("function name '" + name + "' " + why);
    };
    if (name.empty()) refuse("is empty");
    if (name.size() > limits::declared_name_bytes)
        refuse("is longer than " + std::to_string(limits::declared_name_bytes) + " bytes");
    if (name.starts_with(reserved))
        refuse("begins with 'fanfold.', which is reserved for built-in functions; choose another");
    if (!std::all_of(name.begin(), name.end(), is_name_character)) {
        refuse("has a character that names can't have; use letters, digits and ._-:/@+");
    }
}

}  // namespace

Result<Duration> Sleep::time(std::string_view payload) {
    const auto text = wire::text_of(payload);
    const std::optional<double> seconds = text ? number_in(*text) : wire::number_of(payload);
    constexpr double longest = std::chrono::duration<double>(limits::longest_sleep).count();
    if (seconds && std::isfinite(*seconds) && *seconds >= 0 && *seconds <= longest)
        return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
    const std::string found =
        text ? "not '" + std::string(cut_between_characters(*text, shown_bytes)) + "'"
             : "or a text that holds it";
    return fail("fanfold.sleep wants a number of seconds from 0 to a year, " + found);
}

FunctionTable::FunctionTable() {
    functions_.emplace("fanfold.echo", Echo{});
    functions_.emplace("fanfold.fail", RawHandler(fail_with_payload));
    functions_.emplace("fanfold.sleep", Sleep{});
    idempotent_ = {"fanfold.echo", "fanfold.sleep"};
}

void FunctionTable::add(const std::string& name, Function function) {
    check_name(name);
    if (!functions_.emplace(name, std::move(function)).second) {
        throw std::invalid_argument("function name '" + name +
                                    "' is declared twice; a name stands for one function");
    }
}

void FunctionTable::add_handler(const std::string& name, RawHandler handler) {
    if (!handler) throw std::invalid_argument("function '" + name + "' has no handler");
    add(name, std::move(handler));
}

void FunctionTable::add_command(const std::string& name, const std::string& line) {
    if (line.find_first_not_of(" \t\n") == std::string::npos) {
        throw std::invalid_argument("function '" + name + "' has an empty command line");
    }
    add(name, CommandLine{line});
}

void FunctionTable::allow_exec() { functions_.emplace(wire::command_function, Exec{}); }

void FunctionTable::declare_idempotent(const std::string& name) {
    if (find(name) == nullptr) {
        std::string offered;
        for (const auto& [other, function] : functions_)
            offered += (offered.empty() ? "" : ", ") + other;
        throw std::invalid_argument(
            "function '" + name +
            "' is not offered, so it can't be idempotent; this worker offers " + offered);
    }
    idempotent_.insert(name);
}

const Function* FunctionTable::find(const std::string& name) const {
    auto at = functions_.find(name);
    return at == functions_.end() ? nullptr : &at->second;
}

std::vector<std::string> FunctionTable::names() const {
    std::vector<std::string> names;
    for (const auto& [name, function] : functions_) names.push_back(name);
    return names;
}

bool FunctionTable::runs_commands() const {
    return std::any_of(functions_.begin(), functions_.end(), [](const auto& item) {
        return std::holds_alternative<CommandLine>(item.second) ||
               std::holds_alternative<Exec>(item.second);
    });
}

}  // namespace fanfold::worker
