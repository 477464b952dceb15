// Runs inputs that fuzzers kept, with any compiler and any sanitizer: a finding ends the process,
// as with the fuzzer. usage: fuzz-replay TARGET FILE_OR_FOLDER...
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/target.hpp"

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) {
    std::vector<std::filesystem::path> files;
    if (!std::filesystem::is_directory(path)) return {path};
    for (const auto& entry : std::filesystem::directory_iterator(path))
        files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<std::uint8_t> bytes_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> words(arguments + 1, arguments + count);
    const auto& all = fanfold::fuzz::targets();
    auto target = std::find_if(all.begin(), all.end(), [&](const auto& one) {
        return !words.empty() && one.name == words[0];
    });
    if (target == all.end()) {
        std::fprintf(stderr, "usage: fuzz-replay TARGET FILE_OR_FOLDER...; targets:");
        for (const auto& one : all) std::fprintf(stderr, " %s", one.name.c_str());
        std::fprintf(stderr, "\n");
        return 2;
    }
    std::size_t inputs = 0;
    for (std::size_t i = 1; i < words.size(); ++i) {
        for (const auto& path : files_of(words[i])) {
            std::printf("%s\n", path.c_str());
            std::fflush(stdout);  // so that the one that ends the process is known
            const auto bytes = bytes_of(path);
            target->run(bytes.data(), bytes.size());
            ++inputs;
        }
    }
    std::printf("%zu inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
