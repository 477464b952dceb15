#include "worker/core/text.hpp"

#include "shared/base/duration.hpp"
#include "shared/base/text.hpp"

namespace fanfold::worker {

std::string_view tail(std::string_view text, std::size_t most) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    if (text.size() <= most) return text;
    text.remove_prefix(text.size() - most);
    while (!text.empty() && !begins_character(text.front())) text.remove_prefix(1);
    return text;
}

std::string timeout_text(wire::Milliseconds timeout) {
    return "took longer than its timeout of " + fanfold::to_string(Duration(timeout));
}

}  // namespace fanfold::worker
