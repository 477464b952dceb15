// Inputs as a test gives them, and the rows that they become.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "scatterer/cli/input/inputs.hpp"
#include "tests/support/command_line.hpp"

namespace fanfold::scatterer::cli {

using Rows = std::vector<Words>;

/// A folder of input files that vanishes with the test.
class Folder {
public:
    Folder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "fanfold-sources-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string file(const std::string& name, const std::string& content) const {
        std::ofstream(path_ / name, std::ios::binary) << content;
        return (path_ / name).string();
    }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

/// A pipe with a content as standard input.
class Pipe {
public:
    explicit Pipe(const std::string& content = {}, bool close_it = true) {
        REQUIRE(::pipe(ends_) == 0);
        write(content);
        if (close_it) end();
    }
    ~Pipe() {
        end();
        ::close(ends_[0]);
    }
    void write(const std::string& text) {
        REQUIRE(::write(ends_[1], text.data(), text.size()) == static_cast<long>(text.size()));
    }
    void end() {
        if (ends_[1] >= 0) ::close(ends_[1]);
        ends_[1] = -1;
    }
    int reading_end() const { return ends_[0]; }

private:
    int ends_[2]{-1, -1};
};

inline Rows all(Inputs& inputs) {
    Rows rows;
    Record record;
    while (true) {
        Result<bool> more = inputs.next(record);
        REQUIRE(more);
        if (!*more) return rows;
        rows.push_back(record.columns);
    }
}

inline Rows rows_of(const Words& words, const SourceOptions& options = {}) {
    Result<Inputs> inputs = Inputs::open(part_command(words).sources, options);
    if (!inputs) FAIL(inputs.error().text);
    return all(*inputs);
}

inline std::string error_of(const Words& words, const SourceOptions& options = {}) {
    Result<Inputs> inputs = Inputs::open(part_command(words).sources, options);
    return inputs ? "" : inputs.error().text;
}

inline Rows lines_of(const std::string& content, SourceOptions options = {}) {
    Pipe pipe(content);
    options.standard_input = pipe.reading_end();
    return rows_of({}, options);
}

}  // namespace fanfold::scatterer::cli
