// How results and reports are printed. Plain value.
#pragma once

namespace fanfold::scatterer::cli {

enum class Format {
    text,  // results raw, reports as tables
    json,  // one object a line
};

}  // namespace fanfold::scatterer::cli
