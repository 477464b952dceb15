#include "scatterer/cli/input/inputs.hpp"

#include <random>
#include <utility>

namespace fanfold::scatterer::cli {

Result<Inputs> Inputs::open(const std::vector<SourceWords>& sources, const SourceOptions& options) {
    if (options.per_fragment == 0) return fail("-n 0: a fragment needs at least 1 input");
    Inputs inputs(options);
    if (Result<void> chosen = inputs.choose_columns(options); !chosen)
        return tl::unexpected(chosen.error());
    if (Result<void> added = inputs.add_sources(sources, options); !added)
        return tl::unexpected(added.error());
    if (!options.header) return inputs;
    Result<Columns> names = inputs.combinations_.take_header();
    if (!names) return tl::unexpected(names.error());
    inputs.names_ = std::move(*names);
    return inputs;
}

Result<void> Inputs::choose_columns(const SourceOptions& options) {
    if (options.csv) {
        if (options.colsep.size() > 1)
            return fail("--csv --colsep '" + options.colsep + "': one character is wanted");
        const char separator = options.colsep.empty() ? ',' : options.colsep[0];
        combinations_.separate(ColumnSeparator::csv(separator, options.trim.value_or(Trim{})));
    } else if (!options.colsep.empty()) {
        Result<ColumnSeparator> made =
            ColumnSeparator::make(options.colsep, options.trim.value_or(Trim{true, true}));
        if (!made) return tl::unexpected(made.error());
        combinations_.separate(std::move(*made));
    } else if (options.trim) {
        combinations_.separate(ColumnSeparator::whole(*options.trim));
    }
    return {};
}

Result<void> Inputs::add_sources(const std::vector<SourceWords>& sources,
                                 const SourceOptions& options) {
    if (!options.array.empty()) {
        if (!sources.empty() || !options.files.empty())
            return fail(
                "--array is a source of its own; leave out ::: and :::: and -a, or write ::: $(seq "
                "…) instead of --array");
        Result<std::vector<NumberRange>> ranges = parse_array(options.array);
        if (!ranges) return tl::unexpected(ranges.error());
        combinations_.add(std::make_unique<NumberSource>(std::move(*ranges)), false);
        return {};
    }
    for (const std::string& path : options.files)
        if (Result<void> added = add_file(path, false, options); !added) return added;
    for (const SourceWords& source : sources)
        if (Result<void> added = add_words(source, options); !added) return added;
    return combinations_.empty() ? add_file("-", false, options) : Result<void>{};
}

Result<void> Inputs::add_words(const SourceWords& source, const SourceOptions& options) {
    bool files = source.kind == SourceWords::Kind::files;
    if (source.linked && combinations_.empty())
        return fail(std::string(files ? "::::+" : ":::+") +
                    " links with the source before it, and there is none; write " +
                    (files ? "::::" : ":::") + " for the first source");
    if (!files) {
        if (!source.linked) first_group_ = combinations_.empty();
        combinations_.add(std::make_unique<ArgumentSource>(source.words), source.linked);
        return {};
    }
    if (source.words.empty()) return fail("no file is named after ::::; '-' is standard input");
    for (const std::string& path : source.words)
        if (Result<void> added = add_file(path, source.linked, options); !added) return added;
    return {};
}

Result<void> Inputs::add_file(const std::string& path, bool linked, const SourceOptions& options) {
    if (path == "-" && std::exchange(reads_standard_input_, true))
        return fail(
            "standard input ('-') can be one source only; put its lines into a file to use them "
            "twice");
    Result<LineReader> reader = LineReader::open(path, options.separator, options.standard_input);
    if (!reader) return tl::unexpected(reader.error());
    if (!linked) first_group_ = combinations_.empty();
    auto source = std::make_unique<LineSource>(
        std::move(*reader),
        LineUse{.remember = !first_group_, .quoted = options.csv, .separator = options.separator});
    if (options.skip_first) {
        std::string_view skipped;
        if (Result<bool> more = source->next(skipped); !more) return tl::unexpected(more.error());
        source->begin_here();
    }
    combinations_.add(std::move(source), linked);
    return {};
}

// Fisher and Yates, from a seeded generator, so that a seed gives the same order everywhere.
Result<void> Inputs::shuffle() {
    shuffled_ = true;
    Columns columns;
    Result<bool> more;
    while ((more = combinations_.next(columns)) && *more)
        shuffled_inputs_.push_back(std::exchange(columns, {}));
    if (!more) return tl::unexpected(more.error());
    std::mt19937_64 random(*shuffle_seed_);
    for (std::size_t left = shuffled_inputs_.size(); left > 1; --left)
        std::swap(shuffled_inputs_[left - 1], shuffled_inputs_[random() % left]);
    return {};
}

/// Appends the columns of the next input.
Result<bool> Inputs::next_input(Columns& columns) {
    if (!shuffle_seed_) return combinations_.next(columns);
    if (!shuffled_)
        if (Result<void> done = shuffle(); !done) return tl::unexpected(done.error());
    if (shuffled_inputs_.empty()) return false;
    for (std::string& column : shuffled_inputs_.back()) columns.push_back(std::move(column));
    shuffled_inputs_.pop_back();
    return true;
}

void Inputs::feed_packer() {
    Columns columns;
    Result<bool> more = next_input(columns);
    if (!more) error_ = more.error();
    else if (*more) packer_.add(std::move(columns));
    else packer_.end();
}

Result<bool> Inputs::next(Record& record) {
    record.columns.clear();
    if (packer_.packs()) {
        while (!error_ && packer_.wants()) feed_packer();
        if (error_) return tl::unexpected(*error_);
        return packer_.take(record.columns);
    }
    if (pending_inputs_ > 0) std::swap(record.columns, pending_.columns);
    std::size_t inputs = std::exchange(pending_inputs_, 0);
    if (error_) return tl::unexpected(*error_);
    for (; inputs < per_fragment_; ++inputs) {
        Result<bool> more = next_input(record.columns);
        if (!more) return more;
        if (!*more) return inputs > 0;
    }
    return true;
}

bool Inputs::would_block() {
    waits_ = nullptr;
    while (packer_.packs() && packer_.wants() && !error_) {
        waits_ = combinations_.waits_for();
        if (waits_) return true;
        feed_packer();
    }
    if (packer_.packs()) return false;
    // A record of several inputs is put together here as far as they have come. --shuf reads to the
    // end anyway.
    while (pending_inputs_ < per_fragment_ && !error_ && !(shuffle_seed_ && shuffled_)) {
        waits_ = combinations_.waits_for();
        if (waits_) return true;
        if (per_fragment_ == 1 || shuffle_seed_) return false;
        Result<bool> more = next_input(pending_.columns);
        if (!more) error_ = more.error();
        if (!more || !*more) return false;
        ++pending_inputs_;
    }
    return false;
}

std::optional<std::uint64_t> Inputs::count() const {
    std::optional<std::uint64_t> inputs = combinations_.count();
    if (!inputs || packer_.packs()) return std::nullopt;
    return *inputs / per_fragment_ + (*inputs % per_fragment_ != 0 ? 1 : 0);
}

}  // namespace fanfold::scatterer::cli
