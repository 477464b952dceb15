// The inputs of `fanfold map` and `submit`: from the words after COMMAND (::: :::+ :::: ::::+), -a,
// --array or stdin to one record after the other, read lazily. Sources behave as GNU parallel's.
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.hpp"

namespace fanfold::scatterer {

/// One source's introduction and its words, as typed.
struct SourceWords {
    enum class Kind { arguments, files };  // ::: and ::::
    Kind kind = Kind::arguments;
    bool linked = false;  // :::+ and ::::+: goes in step with the source before it
    std::vector<std::string>
        words{};  // may be empty with arguments: a source without inputs, so the job has none
};

struct CommandWords {
    std::vector<std::string> command{};  // empty when the words begin with a source
    std::vector<SourceWords> sources{};
};

/// Parts what follows the options into COMMAND and its sources: up to the first word ::: :::+ ::::
/// or ::::+, and from there.
CommandWords part_command(const std::vector<std::string>& words);

struct SourceOptions {
    std::vector<std::string> files{};  // -a FILE, each a source before all others; "-" is stdin
    std::string array{};  // --array: "1-100:2", "1-3,7"; last numbers included; empty: not given
    std::string
        colsep{};  // --colsep, an extended regular expression with \t \n \d \s \w; empty: none
    bool nul_separated = false;    // -0: for stdin and files
    std::size_t per_fragment = 1;  // -n: inputs to a fragment; the last may have fewer
    std::optional<std::uint64_t>
        shuffle_seed{};  // --shuf; reads all inputs before the first is given out
    int standard_input = 0;
};

/// What one fragment gets: the columns of its inputs, flat, in order. With several sources an input
/// has a column from each.
struct Record {
    std::vector<std::string> columns{};
};

/// The stream of records. Without any source it is the lines of stdin.
/// Several sources make every combination, the last varying fastest; linked ones advance together
/// and end with the shortest. Only sources after the first are remembered (never the product), so
/// the first may be endless.
/// --colsep cuts every input into columns and takes blanks and tabs off both ends of each, as
/// parallel does.
class Inputs {
public:
    /// Opens all files now, so that a missing one is told before anything runs. Errors name the
    /// file or the word.
    static Result<Inputs> open(const std::vector<SourceWords>& sources,
                               const SourceOptions& options);
    Inputs(Inputs&&) noexcept;
    ~Inputs();

    /// The next record; false at the end. May wait for stdin or a file.
    Result<bool> next(Record& record);

    /// The fast way, where a record is just one input as it is: one source, no --colsep, -n 1, no
    /// --shuf.
    bool plain() const;
    /// With plain(), instead of next(): the next input, valid until the next call; false at the
    /// end. It allocates nothing.
    Result<bool> next_plain(std::string_view& value);

    /// True when the next record is not there yet and next() would wait: the time to send what was
    /// gathered so far. Exact (it reads what has come); cheap while data is at hand.
    bool would_block();
    /// After would_block() said yes: the descriptor to poll for reading; -1 otherwise.
    int waits_for() const;

    /// How many records there will be in all, when that is known before reading (only ::: and
    /// --array).
    std::optional<std::uint64_t> count() const;

private:
    class State;
    explicit Inputs(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace fanfold::scatterer
