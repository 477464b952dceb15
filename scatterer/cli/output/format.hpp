// How results and reports are printed. Plain value.
#pragma once

#include <cstdint>

namespace fanfold::scatterer::cli {

enum class Format {
    text,  // results raw, reports as tables
    json,  // one object a line
};

/// Whether each command line is printed before what it has written.
enum class ShowCommand : std::uint8_t { no, on_stdout, on_stderr };

}  // namespace fanfold::scatterer::cli
