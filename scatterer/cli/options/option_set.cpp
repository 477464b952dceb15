#include "scatterer/cli/options/option_set.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/likeness.hpp"
#include "shared/program/help_formatter.hpp"

namespace fanfold::scatterer::cli {

namespace {

// CLI11 takes the next word for the value of "--name=". This stands for the empty value meanwhile.
constexpr std::string_view empty_value = "\x01";

std::string with_value(std::string word) {
    if (word.starts_with("--") && word.find('=') + 1 == word.size()) word += empty_value;
    return word;
}

std::string as_given(std::string word) {
    if (word.starts_with("--") && word.ends_with(empty_value)) word.pop_back();
    return word;
}

}  // namespace

OptionSet::OptionSet(const HelpText& help)
    : app_(help.purpose), explain_unknown_(help.explain_unknown) {
    app_.prefix_command();
    app_.formatter(std::make_shared<HelpFormatter>(help.usage));
    app_.footer(std::string("\n") + help.examples);
    app_.set_help_flag("-h,--help", "Show this and leave");
}

void OptionSet::value(const char* form, Take take, const std::string& purpose) {
    std::string names = form;
    std::string shape = names.substr(names.find(' ') + 1);
    names.erase(names.find(' '));
    auto take_value = [take = std::move(take)](const std::string& text) {
        take(text == empty_value ? std::string() : text);
    };
    auto add = [this, take_value](const std::string& under, const std::string& about) {
        return app_.add_option_function<std::string>(under, take_value, about)->trigger_on_parse();
    };
    add(names, purpose)->type_name(shape)->group(group_);
    add_again_ = [add](const char* under) { add(under, "")->group(""); };
}

void OptionSet::value(const char* form, std::string& into, const std::string& purpose) {
    value(
        form, [&into](const std::string& text) { into = text; }, purpose);
}

void OptionSet::flag(const char* names, std::function<void()> take, const std::string& purpose) {
    app_.add_flag_callback(names, take, purpose)->trigger_on_parse()->group(group_);
    add_again_ = [this, take](const char* under) {
        app_.add_flag_callback(under, take)->trigger_on_parse()->group("");
    };
}

void OptionSet::flag(const char* names, bool& into, const std::string& purpose) {
    flag(
        names, [&into] { into = true; }, purpose);
}

std::optional<std::vector<std::string>> OptionSet::parse(std::vector<std::string> words) {
    std::transform(words.begin(), words.end(), words.begin(), with_value);
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    try {
        app_.parse(std::move(words));
    } catch (const CLI::CallForHelp&) {
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        throw UsageError(error.what());
    }
    auto rest = app_.remaining();
    std::transform(rest.begin(), rest.end(), rest.begin(), as_given);
    if (rest.empty()) return rest;
    if (rest[0] == "--") rest.erase(rest.begin());
    else if (rest[0].size() > 1 && rest[0][0] == '-') throw UsageError(unknown_text(rest[0]));
    return rest;
}

std::string OptionSet::unknown_text(const std::string& word) const {
    const std::string name = word.substr(0, word.find('='));
    std::string text = "unknown option " + name;
    if (const std::string explained = explain_unknown_ ? explain_unknown_(name) : "";
        !explained.empty())
        return text + ": " + explained;
    std::vector<std::string> names;
    for (const CLI::Option* option : app_.get_options())
        for (const std::string& known : option->get_lnames()) names.push_back("--" + known);
    const std::string meant = name.starts_with("--") ? nearest(name, names) : "";
    return meant.empty() ? text : text + "; did you mean " + meant + "?";
}

}  // namespace fanfold::scatterer::cli
