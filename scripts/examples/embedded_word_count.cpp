// Word counts over text files: scattered over an embedded fleet, gathered into one table of the
// most frequent words.
//
//     embedded_word_count FILE...
#include <algorithm>
#include <chrono>
#include <exception>
#include <fanfold/embedded.hpp>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "scripts/examples/words.hpp"

namespace {

constexpr std::size_t fragment_bytes = 32 << 10;
constexpr std::size_t table_rows = 20;

/// Calls `take` with one text after another: some lines of a file each.
template <class Take>
void each_text(const std::string& path, Take take) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    std::string text;
    for (std::string line; std::getline(file, line);) {
        text += line + '\n';
        if (text.size() < fragment_bytes) continue;
        take(text);
        text.clear();
    }
    if (!text.empty()) take(text);
}

void print_table(const Counts& counts) {
    std::vector<std::pair<std::string, std::uint64_t>> table(counts.begin(), counts.end());
    std::ranges::sort(table, [](const auto& a, const auto& b) {
        return std::tie(b.second, a.first) < std::tie(a.second, b.first);
    });
    table.resize(std::min(table.size(), table_rows));
    for (const auto& [word, count] : table)
        std::cout << std::setw(10) << count << "  " << word << '\n';
}

void run(const std::vector<std::string>& files) {
    auto begin = std::chrono::steady_clock::now();

    fanfold::Embedded fleet;
    fleet.function("count", count_words);
    auto job = fleet.scatterer().open("count");
    std::uint64_t fragments = 0;
    for (const std::string& path : files) {
        each_text(path, [&](const std::string& text) { job.add_text(text), ++fragments; });
    }
    job.seal();
    Counts all;
    while (auto result = job.next()) merge(all, result->as<Counts>());
    auto end = job.wait();

    if (end.outcome != fanfold::JobOutcome::complete)
        throw std::runtime_error("the job ended otherwise: " + end.reason);
    print_table(all);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << all.size() << " different words in " << files.size() << " files: " << fragments
              << " fragments in " << std::fixed << std::setprecision(2) << took.count() << " s\n";
}

}  // namespace

int main(int count, char** arguments) {
    try {
        if (count < 2) throw std::runtime_error("name text files: embedded_word_count FILE...");
        run(std::vector<std::string>(arguments + 1, arguments + count));
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "embedded_word_count: " << error.what() << '\n';
        return 255;
    }
}
