// `--colsep REGEX`: an input cut into columns. Immutable once made, any thread.
#pragma once

#include <regex.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

class ColumnSeparator {
public:
    /// An extended regular expression; \t \n \d besides. One that matches nothing at all is
    /// refused.
    static Result<ColumnSeparator> make(const std::string& expression);

    /// Appends the columns, at least one, without the blanks and tabs at their ends.
    void append(std::string_view input, std::vector<std::string>& columns) const;

private:
    struct Free {
        void operator()(regex_t* expression) const;
    };
    bool find(std::string_view input, std::size_t from, std::size_t& begin, std::size_t& end) const;

    char single_ = '\0';  // the whole expression is this one plain character
    std::unique_ptr<regex_t, Free> expression_;
};

}  // namespace fanfold::scatterer::cli
