// The --help of all programs: options and their purposes in two columns, within a screen's width.
// One thread.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace fanfold {

class HelpFormatter : public CLI::Formatter {
public:
    /// `usage` is shown in place of CLI11's own usage line, which is kept where it is empty.
    explicit HelpFormatter(std::string usage = {});

    std::string make_usage(const CLI::App* app, std::string name) const override;
    /// What the program is for, its lines filled.
    std::string make_description(const CLI::App* app) const override;
    /// One empty line before each heading.
    std::string make_help(const CLI::App* app, std::string name,
                          CLI::AppFormatMode mode) const override;
    /// What its value is, in a word: the default stands behind the purpose.
    std::string make_option_opts(const CLI::Option* option) const override;
    /// The purpose, cut between words.
    std::string make_option_desc(const CLI::Option* option) const override;

private:
    std::string usage_;
};

}  // namespace fanfold
