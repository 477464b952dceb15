// The options of one verb, read with CLI11. One thread.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scatterer/cli/output/errors.hpp"
#include "scatterer/cli/verbs/help_texts.hpp"

namespace fanfold::scatterer::cli {

/// CLI11's help with a usage line of our own.
class HelpFormatter : public CLI::Formatter {
public:
    explicit HelpFormatter(const char* usage) : usage_(usage) { column_width(32); }
    std::string make_usage(const CLI::App*, std::string) const override {
        return std::string("\nUsage: ") + usage_ + "\n";
    }

private:
    const char* usage_;
};

/// A set of options that ends at the first word that is none. Every occurrence of an option calls
/// its function; a value may begin with a dash.
class OptionSet {
public:
    explicit OptionSet(const HelpText& help) : app_(help.purpose) {
        app_.prefix_command();
        app_.formatter(std::make_shared<HelpFormatter>(help.usage));
        app_.footer(std::string("\n") + help.examples);
        app_.set_help_flag("-h,--help", "Show this and leave");
    }

    using Take = std::function<void(const std::string&)>;
    void value(const std::string& names, const std::string& shape, Take take,
               const std::string& purpose) {
        app_.add_option_function<std::string>(names, take, purpose)
            ->type_name(shape)
            ->trigger_on_parse();
    }
    void value(const std::string& names, const std::string& shape, std::string& into,
               const std::string& purpose) {
        value(
            names, shape, [&into](const std::string& text) { into = text; }, purpose);
    }
    void flag(const std::string& names, std::function<void()> take, const std::string& purpose) {
        app_.add_flag_callback(names, take, purpose)->trigger_on_parse();
    }
    void flag(const std::string& names, bool& into, const std::string& purpose) {
        flag(
            names, [&into] { into = true; }, purpose);
    }

    /// Returns the words from the first that is no option on; nothing when the help was asked for.
    std::optional<std::vector<std::string>> parse(std::vector<std::string> words) {
        std::reverse(words.begin(), words.end());  // as CLI11 wants them
        try {
            app_.parse(std::move(words));
        } catch (const CLI::CallForHelp&) {
            return std::nullopt;
        } catch (const CLI::ParseError& error) {
            throw UsageError(error.what());
        }
        auto rest = app_.remaining();
        if (rest.empty()) return rest;
        if (rest[0] == "--") rest.erase(rest.begin());
        else if (rest[0].size() > 1 && rest[0][0] == '-')
            throw UsageError("unknown option " + rest[0]);
        return rest;
    }

    std::string help() const { return app_.help(); }

private:
    CLI::App app_;
};

}  // namespace fanfold::scatterer::cli
