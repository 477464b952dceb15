// The single sources that Inputs combines: the arguments of :::, the numbers of --array, the lines
// of a file. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scatterer/cli/input/line_reader.hpp"
#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

/// A list of values that can be gone through again.
class Source {
public:
    virtual ~Source() = default;
    /// The next value, valid until the next call; false at the end.
    virtual Result<bool> next(std::string_view& value) = 0;
    /// Back to the first value.
    virtual void rewind() = 0;
    /// What has come so far are no values: the first one is the next.
    virtual void begin_here() = 0;
    /// True when next() would wait.
    virtual bool would_block() { return false; }
    /// Once would_block() has said no: true when next() would find the end.
    virtual bool at_end() = 0;
    /// How many values in all, when that is known.
    virtual std::optional<std::uint64_t> count() const { return std::nullopt; }
    /// What next() waits for; -1: it never waits.
    virtual int descriptor() const { return -1; }
};

class ArgumentSource final : public Source {
public:
    explicit ArgumentSource(std::vector<std::string> values) : values_(std::move(values)) {}
    Result<bool> next(std::string_view& value) override;
    void rewind() override { at_ = first_; }
    void begin_here() override { first_ = at_; }
    bool at_end() override { return at_ == values_.size(); }
    std::optional<std::uint64_t> count() const override { return values_.size() - first_; }

private:
    std::vector<std::string> values_;
    std::size_t first_ = 0;
    std::size_t at_ = 0;
};

/// Numbers from first to last, both included, every step-th.
struct NumberRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t step = 1;
    std::uint64_t size() const { return (last - first) / step + 1; }
};

/// Reads "1-100:2", "1-3,7", "5". Errors name the text and the accepted forms. All together fewer
/// than 2⁶³ numbers.
Result<std::vector<NumberRange>> parse_array(std::string_view text);

class NumberSource final : public Source {
public:
    explicit NumberSource(std::vector<NumberRange> ranges) : ranges_(std::move(ranges)) {}
    Result<bool> next(std::string_view& value) override;
    void rewind() override { range_ = first_range_, place_ = first_place_; }
    void begin_here() override { first_range_ = range_, first_place_ = place_; }
    bool at_end() override { return range_ == ranges_.size(); }
    std::optional<std::uint64_t> count() const override;

private:
    std::vector<NumberRange> ranges_;
    std::size_t first_range_ = 0;
    std::uint64_t first_place_ = 0;
    std::size_t range_ = 0;
    std::uint64_t place_ = 0;  // in the range
    std::string text_;
};

/// How lines become values.
struct LineUse {
    bool remember = false;  // they are kept for a rewind; without, there is none
    bool quoted = false;    // a line end between double quotes belongs to the value
    char separator = '\n';  // that ends a line
};

/// The lines of a file or of stdin.
class LineSource final : public Source {
public:
    LineSource(LineReader reader, LineUse use) : reader_(std::move(reader)), use_(use) {}
    Result<bool> next(std::string_view& value) override;
    void rewind() override;
    void begin_here() override { kept_.clear(), at_ = 0; }
    bool would_block() override { return at_ == kept_.size() && reader_.would_block(); }
    bool at_end() override { return at_ == kept_.size() && reader_.at_end(); }
    int descriptor() const override { return reader_.descriptor(); }

private:
    Result<bool> read(std::string_view& value);

    LineReader reader_;
    LineUse use_;
    std::string joined_;  // lines that are one value
    std::vector<std::string> kept_;
    std::size_t at_ = 0;  // in kept_; past it the reader goes on
};

}  // namespace fanfold::scatterer::cli
