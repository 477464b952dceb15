// A folder of results in GNU parallel's layout: DIR/1/VALUE/2/VALUE/…/{stdout,stderr,seq}, a level
// for each of a fragment's values. Fragments of equal values share a folder, and the last one
// stays, as with parallel. With --pipe, which has no values, the fragment's number stands in for
// one. One thread.
//
// DIR is followed where the user put it; below it nothing is: a link in the place of a folder is an
// error, one in the place of a file is replaced. So no value, and nobody who writes into DIR, leads
// a result elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fanfold::scatterer::cli {

/// A value as the name of one folder: `\`, tab, NUL and `/` become `\\`, `\t`, `\0` and `\_`, as
/// parallel has it. What parallel leaves open: an empty value is `\`; `.` and `..` are `\.` and
/// `\.\.`; a name past the file system's 255 bytes is cut, and `\#` and the fragment's number keep
/// it apart from others. So every value is one folder below DIR, whatever it holds, and no two
/// share one.
std::string folder_name(std::string_view value, std::uint64_t sequence);

class ResultsFolder {
public:
    /// Makes the folder and makes sure that it can be written. Throws SystemError.
    explicit ResultsFolder(std::string path);

    struct Texts {
        std::string_view out;
        std::string_view err;
    };
    /// `sequence` counts from 1. Throws SystemError.
    void add(const std::vector<std::string>& values, std::uint64_t sequence, Texts texts);

private:
    std::string path_;
};

}  // namespace fanfold::scatterer::cli
