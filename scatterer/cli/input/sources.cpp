#include "scatterer/cli/input/sources.hpp"

#include <limits>
#include <random>
#include <utility>

#include "scatterer/cli/input/columns.hpp"
#include "scatterer/cli/input/source.hpp"

namespace fanfold::scatterer {
namespace {

using Columns = std::vector<std::string>;

std::optional<SourceWords> introduction(std::string_view word) {
    using Kind = SourceWords::Kind;
    if (word == ":::") return SourceWords{.kind = Kind::arguments, .linked = false, .words = {}};
    if (word == ":::+") return SourceWords{.kind = Kind::arguments, .linked = true, .words = {}};
    if (word == "::::") return SourceWords{.kind = Kind::files, .linked = false, .words = {}};
    if (word == "::::+") return SourceWords{.kind = Kind::files, .linked = true, .words = {}};
    return std::nullopt;
}

// Sources that advance together; a row has a value of each. It ends with the shortest.
class Group {
public:
    void add(std::unique_ptr<Source> source) { sources_.push_back(std::move(source)); }
    Source& only() { return *sources_.front(); }
    std::size_t size() const { return sources_.size(); }

    Result<bool> next(Columns& columns, const ColumnSeparator* separator) {
        columns.clear();
        for (auto& source : sources_) {
            std::string_view value;
            Result<bool> more = source->next(value);
            if (!more || !*more) return more;
            if (separator) separator->append(value, columns);
            else columns.emplace_back(value);
        }
        return true;
    }

    void rewind() {
        for (auto& source : sources_) source->rewind();
    }

    // The source that the next row waits for.
    Source* waits() {
        for (auto& source : sources_) {
            if (source->would_block()) return source.get();
            if (source->at_end()) return nullptr;
        }
        return nullptr;
    }

    bool at_end() {
        for (auto& source : sources_)
            if (source->at_end()) return true;
        return false;
    }

    std::optional<std::uint64_t> count() const {
        std::optional<std::uint64_t> shortest;
        for (const auto& source : sources_) {
            std::optional<std::uint64_t> count = source->count();
            if (!count) return std::nullopt;
            if (!shortest || *count < *shortest) shortest = count;
        }
        return shortest;
    }

private:
    std::vector<std::unique_ptr<Source>> sources_;
};

}  // namespace

// Three layers: inputs (the product of the groups), shuffled or not, and records of per_fragment_
// inputs each.
class Inputs::State {
public:
    Result<void> add(std::unique_ptr<Source> source, bool linked) {
        if (!linked) groups_.emplace_back();
        groups_.back().add(std::move(source));
        return {};
    }

    Result<void> open(const std::vector<SourceWords>& sources, const SourceOptions& options);
    Result<bool> next(Record& record);
    Result<bool> next_input(Columns& columns);
    bool plain() const {
        return groups_.size() == 1 && groups_[0].size() == 1 && !separator_ && per_fragment_ == 1 &&
               !shuffle_;
    }
    Result<bool> next_plain(std::string_view& value) { return groups_[0].only().next(value); }
    bool would_block();
    int waits_for() const { return waits_ ? waits_->descriptor() : -1; }
    std::optional<std::uint64_t> count() const;

private:
    Result<void> add_file(const std::string& path, bool linked, const SourceOptions& options);
    Result<bool> next_combination(Columns& columns);
    Result<bool> first_combination();
    Result<void> shuffle();
    Source* waits_for_combination();

    std::vector<Group> groups_;
    std::vector<Columns> current_;  // each group's row
    bool started_ = false;
    bool ended_ = false;
    bool reads_standard_input_ = false;
    std::optional<ColumnSeparator> separator_;
    std::size_t per_fragment_ = 1;

    std::optional<std::uint64_t> shuffle_;
    bool shuffled_ = false;
    std::vector<Columns> all_;  // with --shuf, in the order to give out, the last one first

    Record pending_;  // begun by would_block(), finished by next()
    std::size_t pending_inputs_ = 0;
    std::optional<Error> error_;  // found by would_block(), told by next()
    Source* waits_ = nullptr;
};

Result<void> Inputs::State::add_file(const std::string& path, bool linked,
                                     const SourceOptions& options) {
    if (path == "-" && std::exchange(reads_standard_input_, true))
        return fail(
            "standard input ('-') can be one source only; put its lines into a file to use them "
            "twice");
    Result<LineReader> reader =
        LineReader::open(path, options.nul_separated ? '\0' : '\n', options.standard_input);
    if (!reader) return tl::unexpected(reader.error());
    bool first_group = groups_.empty() || (linked && groups_.size() == 1);
    return add(std::make_unique<LineSource>(std::move(*reader), !first_group), linked);
}

Result<void> Inputs::State::open(const std::vector<SourceWords>& sources,
                                 const SourceOptions& options) {
    if (options.per_fragment == 0) return fail("-n 0: a fragment needs at least 1 input");
    per_fragment_ = options.per_fragment;
    shuffle_ = options.shuffle_seed;
    if (!options.colsep.empty()) {
        Result<ColumnSeparator> separator = ColumnSeparator::make(options.colsep);
        if (!separator) return tl::unexpected(separator.error());
        separator_ = std::move(*separator);
    }
    if (!options.array.empty()) {
        if (!sources.empty() || !options.files.empty())
            return fail(
                "--array is a source of its own; leave out ::: and :::: and -a, or write ::: $(seq "
                "…) instead of --array");
        Result<std::vector<NumberRange>> ranges = parse_array(options.array);
        if (!ranges) return tl::unexpected(ranges.error());
        return add(std::make_unique<NumberSource>(std::move(*ranges)), false);
    }
    for (const std::string& path : options.files)
        if (Result<void> added = add_file(path, false, options); !added) return added;
    for (const SourceWords& source : sources) {
        bool files = source.kind == SourceWords::Kind::files;
        if (source.linked && groups_.empty())
            return fail(std::string(files ? "::::+" : ":::+") +
                        " links with the source before it, and there is none; write " +
                        (files ? "::::" : ":::") + " for the first source");
        if (files && source.words.empty())
            return fail("no file is named after ::::; '-' is standard input");
        Result<void> added;
        if (!files) added = add(std::make_unique<ArgumentSource>(source.words), source.linked);
        for (std::size_t i = 0; files && i < source.words.size() && added; ++i)
            added = add_file(source.words[i], source.linked, options);
        if (!added) return added;
    }
    return groups_.empty() ? add_file("-", false, options) : Result<void>{};
}

// Each group's first row; false when a group has none, for then there is no combination at all.
Result<bool> Inputs::State::first_combination() {
    started_ = true;
    current_.resize(groups_.size());
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        Result<bool> more = groups_[i].next(current_[i], separator_ ? &*separator_ : nullptr);
        if (!more || !*more) return more;
    }
    return true;
}

Result<bool> Inputs::State::next_combination(Columns& columns) {
    if (ended_) return false;
    Result<bool> more = true;
    if (!started_) {
        more = first_combination();
    } else {
        const ColumnSeparator* separator = separator_ ? &*separator_ : nullptr;
        std::size_t place = groups_.size() - 1;
        while ((more = groups_[place].next(current_[place], separator)) && !*more && place > 0) {
            groups_[place].rewind();
            if (more = groups_[place].next(current_[place], separator); !more) break;
            --place;
        }
    }
    ended_ = !more || !*more;
    if (ended_) return more;
    for (const Columns& row : current_) columns.insert(columns.end(), row.begin(), row.end());
    return true;
}

// Fisher and Yates, from a seeded generator, so that a seed gives the same order everywhere.
Result<void> Inputs::State::shuffle() {
    shuffled_ = true;
    Columns columns;
    Result<bool> more;
    while ((more = next_combination(columns)) && *more) all_.push_back(std::exchange(columns, {}));
    if (!more) return tl::unexpected(more.error());
    std::mt19937_64 random(*shuffle_);
    for (std::size_t left = all_.size(); left > 1; --left)
        std::swap(all_[left - 1], all_[random() % left]);
    return {};
}

// Appends the columns of the next input.
Result<bool> Inputs::State::next_input(Columns& columns) {
    if (!shuffle_) return next_combination(columns);
    if (!shuffled_)
        if (Result<void> done = shuffle(); !done) return tl::unexpected(done.error());
    if (all_.empty()) return false;
    for (std::string& column : all_.back()) columns.push_back(std::move(column));
    all_.pop_back();
    return true;
}

Result<bool> Inputs::State::next(Record& record) {
    record.columns.clear();
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

// The source that the next combination waits for: the last group's, or where that is at its end the
// one before it.
Source* Inputs::State::waits_for_combination() {
    if (ended_) return nullptr;
    for (std::size_t i = groups_.size(); i-- > 0;) {
        if (Source* source = groups_[i].waits()) return source;
        if (started_ && !groups_[i].at_end()) return nullptr;
        if (!started_ && groups_[i].at_end()) return nullptr;
    }
    return nullptr;
}

bool Inputs::State::would_block() {
    waits_ = nullptr;
    // A record of several inputs is put together here as far as they have come. --shuf reads to the
    // end anyway.
    while (pending_inputs_ < per_fragment_ && !error_ && !(shuffle_ && shuffled_)) {
        waits_ = waits_for_combination();
        if (waits_) return true;
        if (per_fragment_ == 1 || shuffle_) return false;
        Result<bool> more = next_input(pending_.columns);
        if (!more) error_ = more.error();
        if (!more || !*more) return false;
        ++pending_inputs_;
    }
    return false;
}

std::optional<std::uint64_t> Inputs::State::count() const {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t product = 1;
    for (const Group& group : groups_) {
        std::optional<std::uint64_t> count = group.count();
        if (!count) return std::nullopt;
        if (*count == 0) return 0;
        if (product > most / *count) return std::nullopt;
        product *= *count;
    }
    return product / per_fragment_ + (product % per_fragment_ != 0 ? 1 : 0);
}

CommandWords part_command(const std::vector<std::string>& words) {
    CommandWords parted;
    for (const std::string& word : words) {
        if (std::optional<SourceWords> source = introduction(word))
            parted.sources.push_back(std::move(*source));
        else if (parted.sources.empty()) parted.command.push_back(word);
        else parted.sources.back().words.push_back(word);
    }
    return parted;
}

Result<Inputs> Inputs::open(const std::vector<SourceWords>& sources, const SourceOptions& options) {
    auto state = std::make_unique<State>();
    if (Result<void> opened = state->open(sources, options); !opened)
        return tl::unexpected(opened.error());
    return Inputs(std::move(state));
}

Inputs::Inputs(std::unique_ptr<State> state) : state_(std::move(state)) {}
Inputs::Inputs(Inputs&&) noexcept = default;
Inputs::~Inputs() = default;

Result<bool> Inputs::next(Record& record) { return state_->next(record); }
bool Inputs::plain() const { return state_->plain(); }
Result<bool> Inputs::next_plain(std::string_view& value) { return state_->next_plain(value); }
bool Inputs::would_block() { return state_->would_block(); }
int Inputs::waits_for() const { return state_->waits_for(); }
std::optional<std::uint64_t> Inputs::count() const { return state_->count(); }

}  // namespace fanfold::scatterer
