// Results as text or JSON lines. Values go to the output, what commands wrote to stderr and errors
// go to the console. A fragment's output is never mixed with another's. One thread, the one that
// collects.
//
// Text: of a command both streams as they are; of a function a string or bytes raw and a newline,
// anything else as JSON on one line. JSON: one object a line: index, outcome, value or error,
// attempt, worker, seconds; a command's value (and what a failed one wrote) is {"stdout": …,
// "stderr": …}; with a tag also "input".
#pragma once

#include <string>
#include <string_view>

#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/base/output.hpp"
#include "scatterer/cli/output/format.hpp"
#include "scatterer/cli/output/fragments.hpp"
#include "scatterer/cli/output/left_behind.hpp"

namespace fanfold::scatterer::cli {

struct PrinterOptions {
    bool commands = false;  // values are the outputs of commands: [stdout, stderr]
    bool json = false;
    bool quiet = false;  // no lines about failed fragments on the console
    ShowCommand show_command = ShowCommand::no;
};

/// What a person would like to see beside a result, where it is known.
struct Label {
    const std::string* tag = nullptr;  // before each line
    std::string_view command = {};     // behind an error
};

class Printer {
public:
    Printer(PrinterOptions options, Output& output, Console& console)
        : options_(options), output_(output), console_(console), left_behind_(console) {}

    /// A whole run of which nobody wants the single fragments: the quick way.
    void print(const ResultRun& run);
    void print(const Fragment& fragment, Label label = {});

private:
    void print_texts(const ResultRun& run);
    void print_json(const Fragment& fragment, const CommandOutput& both, Label label);
    void print_command_line(std::string_view command);
    void print_command(const CommandOutput& both, Label label);
    void print_value(std::string_view value, Label label);
    /// `shown` of its stderr is above the line.
    void report(const Fragment& fragment, std::string_view shown, Label label);

    PrinterOptions options_;
    Output& output_;
    Console& console_;
    LeftBehind left_behind_;
    std::string scratch_;
};

/// The value of a function as text, without the newline: a string or bytes as they are, anything
/// else as JSON. `scratch` may be used for it.
std::string_view text_of_value(std::string_view value, std::string& scratch);

/// Appends the text with "TAG<tab>" before each line; no tag: as it is.
void append_tagged(std::string& to, std::string_view text, const std::string* tag);

}  // namespace fanfold::scatterer::cli
