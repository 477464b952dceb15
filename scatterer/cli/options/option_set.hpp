// The options of one verb, read with CLI11. One thread.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scatterer/cli/options/help_texts.hpp"

namespace fanfold::scatterer::cli {

/// A set of options that ends at the first word that is none. Every occurrence of an option calls
/// its function; a value may begin with a dash.
class OptionSet {
public:
    explicit OptionSet(const HelpText& help);

    using Take = std::function<void(const std::string&)>;
    /// An option with a value. `form` is what the help shows of it: "-a,--arg-file FILE".
    void value(const char* form, Take take, const std::string& purpose);
    void value(const char* form, std::string& into, const std::string& purpose);
    /// An option without a value; `names` as in "-0,--null".
    void flag(const char* names, std::function<void()> take, const std::string& purpose);
    void flag(const char* names, bool& into, const std::string& purpose);

    /// The options that follow are shown under this heading.
    void group(const char* heading) { group_ = heading; }
    /// The last option under other names, which the help does not show.
    void also(const char* names) { add_again_(names); }

    /// Returns the words from the first that is no option on; nothing when the help was asked for.
    /// Throws UsageError.
    std::optional<std::vector<std::string>> parse(std::vector<std::string> words);

    std::string help() const { return app_.help(); }

private:
    std::string unknown_text(const std::string& word) const;

    CLI::App app_;
    std::string group_ = "Options";
    std::function<void(const char*)> add_again_;
    std::string (*explain_unknown_)(const std::string& option);
};

}  // namespace fanfold::scatterer::cli
