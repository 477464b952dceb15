// What the word count examples share: a table of words, and how a text is counted. Plain functions,
// any thread.
#pragma once

#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

using Counts = std::unordered_map<std::string, std::uint64_t>;

/// How often each word occurs: runs of letters (bytes past ASCII count as letters), in lower case.
inline Counts count_words(std::string_view text) {
    Counts counts;
    std::string word;
    auto finish_word = [&] {
        if (!word.empty()) ++counts[word];
        word.clear();
    };
    for (char letter : text) {
        auto byte = static_cast<unsigned char>(letter);
        if (std::isalpha(byte) != 0 || byte >= 0x80) {
            word += static_cast<char>(std::tolower(byte));
        } else {
            finish_word();
        }
    }
    finish_word();
    return counts;
}

inline void merge(Counts& all, const Counts& some) {
    for (const auto& [word, count] : some) all[word] += count;
}
