// Lists of words as one text. Pure, any thread.
#pragma once

#include <string>
#include <vector>

namespace fanfold::scatterer::cli {

inline std::string joined(const std::vector<std::string>& words, const char* separator = " ") {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += separator;
        text += words[i];
    }
    return text;
}

}  // namespace fanfold::scatterer::cli
