// The inputs of `fanfold map` and `submit`: from the sources after COMMAND, -a, --array or stdin to
// one record after the other, read lazily. Sources behave as GNU parallel's. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scatterer/cli/input/combinations.hpp"
#include "scatterer/cli/input/command_words.hpp"
#include "scatterer/cli/input/packer.hpp"
#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

struct SourceOptions {
    std::vector<std::string> files{};  // -a FILE, each a source before all others; "-" is stdin
    std::string array{};   // --array: "1-100:2", "1-3,7"; last numbers included; empty: not given
    std::string colsep{};  // --colsep, an extended regular expression with \t \n \d \s \w
    bool csv = false;      // --csv: --colsep is one character then, a comma if it is empty
    std::optional<Trim> trim{};    // --trim; nothing: both ends with --colsep, else none
    bool header = false;           // --header: the first input of each source names its columns
    bool skip_first = false;       // --skip-first-line: of stdin and each file
    char separator = '\n';         // that ends an input of stdin and files: -d, -0
    std::size_t per_fragment = 1;  // -n: inputs to a fragment; the last may have fewer
    Packing pack{};                // instead of -n
    std::optional<std::uint64_t> shuffle_seed{};  // --shuf; all inputs are read before the first
    int standard_input = 0;
};

/// What one fragment gets: the columns of its inputs, flat, in order. With several sources an input
/// has a column from each.
struct Record {
    Columns columns{};
};

/// The stream of records. Without any source it is the lines of stdin. Several sources make every
/// combination; linked ones advance together and end with the shortest. --colsep cuts every input
/// into columns and takes blanks and tabs off both ends of each, as parallel does.
class Inputs {
public:
    /// Opens all files now, so that a missing one is told before anything runs. Errors name the
    /// file or the word.
    static Result<Inputs> open(const std::vector<SourceWords>& sources,
                               const SourceOptions& options);

    /// The next record; false at the end. May wait for stdin or a file.
    Result<bool> next(Record& record);

    /// The columns' names, with `header`; else none.
    const Columns& names() const { return names_; }

    /// Whether a record is just one input as it is: one source, no columns, -n 1, no --shuf.
    bool plain() const {
        return combinations_.plain() && per_fragment_ == 1 && !shuffle_seed_ && !packer_.packs();
    }
    /// With plain(), instead of next(): the next input, valid until the next call; false at the
    /// end. It allocates nothing.
    Result<bool> next_plain(std::string_view& value) { return combinations_.next_plain(value); }

    /// True when the next record is not there yet and next() would wait: the time to send what was
    /// gathered so far. Exact (it reads what has come); cheap while data is at hand.
    bool would_block();
    /// After would_block() said yes: the descriptor to poll for reading; -1 otherwise.
    int waits_for() const { return waits_ ? waits_->descriptor() : -1; }

    /// How many records there will be in all, when that is known before reading (only ::: and
    /// --array).
    std::optional<std::uint64_t> count() const;

private:
    explicit Inputs(const SourceOptions& options)
        : per_fragment_(options.per_fragment),
          packer_(options.pack),
          shuffle_seed_(options.shuffle_seed) {}
    Result<void> choose_columns(const SourceOptions& options);
    Result<void> add_sources(const std::vector<SourceWords>& sources, const SourceOptions& options);
    Result<void> add_words(const SourceWords& source, const SourceOptions& options);
    Result<void> add_file(const std::string& path, bool linked, const SourceOptions& options);
    Result<void> shuffle();
    Result<bool> next_input(Columns& columns);
    void feed_packer();

    Combinations combinations_;
    Columns names_;
    std::size_t per_fragment_;
    Packer packer_;
    bool first_group_ = true;  // the source to be added belongs to it
    bool reads_standard_input_ = false;

    std::optional<std::uint64_t> shuffle_seed_;
    bool shuffled_ = false;
    std::vector<Columns> shuffled_inputs_;  // in the order to give out, the last one first

    Record pending_;  // begun by would_block(), finished by next()
    std::size_t pending_inputs_ = 0;
    std::optional<Error> error_;  // found by would_block(), told by next()
    Source* waits_ = nullptr;
};

}  // namespace fanfold::scatterer::cli
