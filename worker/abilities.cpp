#include "worker/abilities.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "shared/base/duration.hpp"
#include "shared/base/text.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

/// `what` is "label" or "resource".
void check_name(const std::string& what, const std::string& name) {
    auto refuse = [&](const std::string& why) {
        constexpr std::size_t shown = 40;
        const std::string quoted =
            name.size() <= shown ? name : std::string(cut_between_characters(name, shown)) + "…";
        throw std::invalid_argument(what + " '" + quoted + "' " + why);
    };
    if (name.empty()) refuse("is empty; give it a name, such as gpu");
    if (name.size() > limits::declared_name_bytes)
        refuse("is longer than " + std::to_string(limits::declared_name_bytes) +
               " bytes; choose a shorter one");
}

void check_count(const std::string& what, std::size_t count) {
    if (count < limits::labels) return;
    throw std::invalid_argument("a worker has " + std::to_string(limits::labels) + " " + what +
                                "s at most; leave some out");
}

}  // namespace

void Abilities::add_label(const std::string& label) {
    check_name("label", label);
    if (std::find(labels_.begin(), labels_.end(), label) != labels_.end()) return;
    check_count("label", labels_.size());
    labels_.push_back(label);
}

void Abilities::add_resource(const std::string& name, std::uint64_t amount) {
    check_name("resource", name);
    if (amount == 0)
        throw std::invalid_argument("resource '" + name +
                                    "' has the amount 0; give it more, or leave it out");
    if (std::any_of(resources_.begin(), resources_.end(),
                    [&](const auto& resource) { return resource.name == name; })) {
        throw std::invalid_argument("resource '" + name +
                                    "' is given twice; name it once, with all that there is of it");
    }
    check_count("resource", resources_.size());
    resources_.push_back({name, amount});
}

void Abilities::add_resource(const std::string& text) {
    auto equals = text.find('=');
    auto amount =
        parse_size(equals == std::string::npos ? std::string_view()
                                               : std::string_view(text).substr(equals + 1));
    if (equals == std::string::npos || !amount) {
        throw std::invalid_argument(
            "resource '" + text +
            "' has no amount that can be read; write it as NAME=AMOUNT, with 2, 512M or 16G");
    }
    add_resource(text.substr(0, equals), *amount);
}

}  // namespace fanfold::worker
