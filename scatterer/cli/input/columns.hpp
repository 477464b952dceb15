// `--colsep REGEX`, `--csv`, `--trim`: an input cut into columns. Immutable once made, any thread.
#pragma once

#include <regex.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

/// At which ends of a column blanks and tabs are taken off.
struct Trim {
    bool left = false;
    bool right = false;
};

class ColumnSeparator {
public:
    /// An extended regular expression; \t \n \d besides. One that matches nothing at all is
    /// refused.
    static Result<ColumnSeparator> make(const std::string& expression, Trim trim = {true, true});
    /// Columns of RFC 4180: what stands in double quotes may hold the separator, line ends, and
    /// double quotes, doubled.
    static ColumnSeparator csv(char separator, Trim trim);
    /// The whole input is one column.
    static ColumnSeparator whole(Trim trim);

    /// Appends the columns, at least one.
    void append(std::string_view input, std::vector<std::string>& columns) const;

private:
    enum class Kind : std::uint8_t { whole, character, expression, csv };
    explicit ColumnSeparator(Kind kind, Trim trim, char single = '\0')
        : kind_(kind), trim_(trim), single_(single) {}
    struct Free {
        void operator()(regex_t* expression) const;
    };
    bool find(std::string_view input, std::size_t from, std::size_t& begin, std::size_t& end) const;

    void append_csv(std::string_view input, std::vector<std::string>& columns) const;
    std::string trimmed(std::string_view column) const;

    Kind kind_;
    Trim trim_;
    char single_;  // the separator, where it is one plain character
    std::unique_ptr<regex_t, Free> expression_;
};

}  // namespace fanfold::scatterer::cli
