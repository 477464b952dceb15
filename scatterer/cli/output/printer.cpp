#include "scatterer/cli/output/printer.hpp"

#include <cstdio>

#include "scatterer/cli/output/json_text.hpp"

namespace fanfold::scatterer::cli {

std::string_view text_of_value(std::string_view value, std::string& scratch) {
    if (auto text = wire::text_of(value)) return *text;
    scratch.clear();
    append_json(scratch, value);
    return scratch;
}

void append_tagged(std::string& to, std::string_view text, const std::string* tag) {
    if (tag == nullptr) {
        to += text;
        return;
    }
    while (!text.empty()) {
        std::size_t line = std::min(text.find('\n'), text.size() - 1) + 1;
        to += *tag;
        to += '\t';
        to += text.substr(0, line);
        text.remove_prefix(line);
    }
}

void Printer::print(const ResultRun& run) {
    if (!run.failure && !options_.json && !options_.commands) print_texts(run);
    else each_fragment(run, [&](const Fragment& fragment) { print(fragment); });
}

void Printer::print(const Fragment& fragment, Label label) {
    const bool holds_both = options_.commands || fragment.failure;
    const CommandOutput both = holds_both ? command_output(fragment) : CommandOutput{};
    if (options_.json) {
        print_json(fragment, both, label);
    } else {
        if (!label.command.empty()) print_command_line(label.command);
        if (options_.commands) print_command(both, label);
        else if (!fragment.failure) print_value(fragment.value, label);
        if (fragment.failure) report(fragment, options_.commands ? both.err : "", label);
    }
    if (!options_.quiet) left_behind_.take(fragment, both);
    output_.settle();
}

// Millions of short lines a second go through here: the common object, a text, is read without a
// call.
void Printer::print_texts(const ResultRun& run) {
    std::string& buffer = output_.buffer();
    std::string_view rest = run.values;
    for (std::uint32_t i = 0; i < run.count; ++i) {
        const tags::Head head = tags::read(rest);
        std::size_t length = head.length;
        std::string_view text;
        if (head.is_content()) {
            text = head.content(rest);
        } else {
            auto whole = wire::object_length(rest);
            if (!whole)
                throw FanfoldError("the values from " + std::to_string(run.first) +
                                   " on are cut off");
            length = *whole;
            text = text_of_value(rest.substr(0, length), scratch_);
        }
        buffer += text;
        // A declared command's output has one already.
        if (!text.ends_with('\n')) buffer += '\n';
        rest.remove_prefix(length);
        output_.settle();
    }
}

void Printer::print_value(std::string_view value, Label label) {
    std::string& buffer = output_.buffer();
    std::string_view text = text_of_value(value, scratch_);
    if (text.empty() && label.tag) buffer += *label.tag + '\t';
    append_tagged(buffer, text, label.tag);
    if (!text.ends_with('\n')) buffer += '\n';
}

void Printer::print_command_line(std::string_view command) {
    if (options_.show_command == ShowCommand::no) return;
    const std::string line = std::string(command) + '\n';
    if (options_.show_command == ShowCommand::on_stdout) {
        output_.buffer() += line;
        return;
    }
    output_.flush();
    console_.pass(line);
}

void Printer::print_command(const CommandOutput& both, Label label) {
    append_tagged(output_.buffer(), both.out, label.tag);
    if (both.err.empty()) return;
    output_.flush();  // on a terminal, stderr follows the stdout of the same command
    scratch_.clear();
    append_tagged(scratch_, both.err, label.tag);
    console_.pass(scratch_);
}

void Printer::report(const Fragment& fragment, std::string_view shown, Label label) {
    const FragmentResult& failure = *fragment.failure;
    // Those that were cancelled are many, and alike; the job's last line lists them.
    if (options_.quiet || failure.outcome == FragmentOutcome::cancelled) return;
    output_.flush();
    std::string line =
        "fragment " + std::to_string(fragment.index + 1) + ' ' + why_failed(failure, shown);
    if (!label.command.empty()) line += ": " + std::string(label.command);
    console_.say(line);
}

void Printer::print_json(const Fragment& fragment, const CommandOutput& both, Label label) {
    std::string& json = output_.buffer();
    auto append_outputs = [&] {
        json += "\"stdout\":";
        append_json_bytes(json, both.out);
        json += ",\"stderr\":";
        append_json_bytes(json, both.err);
        if (!both.left || both.left->empty()) return;
        json += ",\"left_behind\":";
        append_json_bytes(json, *both.left);
    };
    json += "{\"index\":" + std::to_string(fragment.index);
    json += ",\"seq\":" + std::to_string(fragment.index + 1);
    if (label.tag) json += ",\"input\":", append_json_bytes(json, *label.tag);
    json += ",\"outcome\":\"";
    json += to_string(fragment.failure ? fragment.failure->outcome : FragmentOutcome::value);
    json += '"';
    if (const FragmentResult* failure = fragment.failure) {
        json += ",\"error\":";
        append_json_string(json, error_text(*failure));
        if (failure->exit_code >= 0) json += ",\"exit_code\":" + std::to_string(failure->exit_code);
        if (failure->signal > 0) json += ",\"signal\":" + std::to_string(failure->signal);
        if (!failure->output.empty()) json += ',', append_outputs();
    } else {
        json += ",\"value\":";
        if (options_.commands) json += '{', append_outputs(), json += '}';
        else append_json(json, fragment.value);
    }
    json += ",\"attempt\":" + std::to_string(fragment.attempt) + ",\"worker\":";
    append_json_string(json, fragment.worker);
    char seconds[48];
    std::snprintf(seconds, sizeof seconds, ",\"seconds\":%.6f}\n",
                  static_cast<double>(fragment.elapsed.count()) / 1e6);
    json += seconds;
}

}  // namespace fanfold::scatterer::cli
