// What follows the options of `fanfold map` and `submit`: COMMAND and its sources. Pure, any
// thread.
#pragma once

#include <string>
#include <vector>

namespace fanfold::scatterer::cli {

/// One source's introduction and its words, as typed.
struct SourceWords {
    enum class Kind { arguments, files };  // ::: and ::::
    Kind kind = Kind::arguments;
    bool linked = false;               // :::+ and ::::+ go in step with the source before them
    std::vector<std::string> words{};  // no arguments: a source without inputs, so the job has none
};

struct CommandWords {
    std::vector<std::string> command{};  // empty when the words begin with a source
    std::vector<SourceWords> sources{};
};

/// The words that begin a source; with a + behind it links.
struct SourceSeparators {
    std::string arguments = ":::";
    std::string files = "::::";
};

/// Parts the words into COMMAND and its sources: up to the first word ::: :::+ :::: or ::::+, and
/// from there.
CommandWords part_command(const std::vector<std::string>& words, const SourceSeparators& use = {});

}  // namespace fanfold::scatterer::cli
