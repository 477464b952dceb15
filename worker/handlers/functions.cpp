#include "worker/handlers/functions.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

#include "shared/wire/codec.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

constexpr std::string_view reserved = "fanfold.";

bool is_name_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._-:/@+").find(c) != std::string_view::npos;
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
