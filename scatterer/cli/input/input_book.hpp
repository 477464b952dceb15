// What is remembered of inputs between their submission and the printing of their results: for
// tags, the job log, the results folder, and errors. The feeding thread adds, the collecting thread
// takes; what is taken is forgotten.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fanfold::scatterer::cli {

struct RememberedInput {
    std::vector<std::string> values;  // the fragment's inputs, columns apart; empty with --pipe
    std::string tag;                  // that stands before its output, where one is wanted
    std::string command;              // as one would type it
};

class InputBook {
public:
    void remember(std::uint64_t index, RememberedInput input) {
        std::lock_guard lock(mutex_);
        inputs_.insert_or_assign(index, std::move(input));
    }

    std::optional<RememberedInput> take(std::uint64_t index) {
        std::lock_guard lock(mutex_);
        auto node = inputs_.extract(index);
        if (node.empty()) return std::nullopt;
        return std::move(node.mapped());
    }

private:
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, RememberedInput> inputs_;
};

}  // namespace fanfold::scatterer::cli
