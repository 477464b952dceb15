#include "scatterer/cli/input/packer.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::scatterer::cli {

namespace {

/// What a value takes in a command line: quotes around it, and three bytes for each quote in it.
std::size_t bytes_in_line(const std::string& value) {
    const auto quotes = static_cast<std::size_t>(std::ranges::count(value, '\''));
    const bool is_plain = std::ranges::all_of(value, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '/' || c == '_' || c == '-';
    });
    return value.size() + 1 + (is_plain ? 0 : 2) + 3 * quotes;
}

}  // namespace

std::size_t Packer::room() const {
    return packing_.most * std::max<std::size_t>(packing_.slots, 1);
}

void Packer::add(std::vector<std::string> columns) {
    std::size_t bytes = 0;
    for (const std::string& value : columns) bytes += bytes_in_line(value);
    held_bytes_ += bytes;
    held_.push_back({.columns = std::move(columns), .bytes = bytes});
}

void Packer::end() {
    ended_ = true;
    if (packing_.slots > 0) share_ = (held_.size() + packing_.slots - 1) / packing_.slots;
}

bool Packer::take(std::vector<std::string>& columns) {
    if (held_.empty()) return false;
    std::size_t bytes = 0;
    for (std::size_t inputs = 0; !held_.empty(); ++inputs) {
        Held& next = held_.front();
        const bool fits = bytes + next.bytes <= packing_.most && (share_ == 0 || inputs < share_);
        if (inputs > 0 && !fits) break;
        bytes += next.bytes;
        held_bytes_ -= next.bytes;
        std::ranges::move(next.columns, std::back_inserter(columns));
        held_.pop_front();
    }
    return true;
}

}  // namespace fanfold::scatterer::cli
