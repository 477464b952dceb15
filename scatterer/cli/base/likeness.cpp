#include "scatterer/cli/base/likeness.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::scatterer::cli {

namespace {

/// Damerau's distance, of neighbours swapped once (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t other = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + other});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& words) {
    constexpr std::size_t longest = 40;  // of a word that is worth the comparison
    if (word.size() > longest) return {};
    std::string found;
    std::size_t least = std::max<std::size_t>(word.size() / 3, 1) + 1;
    for (const std::string& other : words) {
        const std::size_t far = distance(word, other);
        if (far < least) found = other, least = far;
        else if (far == least) found.clear();
    }
    return found;
}

}  // namespace fanfold::scatterer::cli
