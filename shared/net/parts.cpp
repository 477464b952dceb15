#include "shared/net/parts.hpp"

#include <cstring>
#include <utility>

#include "shared/base/limits.hpp"

namespace fanfold::net {

void Parts::begin(const PeerId& from, wire::Part part, Time now) {
    std::erase_if(coming_, [&](const auto& item) {
        return item.first == from || now - item.second.last > limits::part_patience;
    });
    std::shared_ptr<char[]> room(new char[part.body_bytes]);  // nothing of it is touched yet
    coming_[from] = {
        .header = std::move(part.header), .body = std::move(room), .bytes = part.body_bytes};
}

Result<Parts::Frames> Parts::take(const PeerId& from, wire::Part part, std::string_view bytes,
                                  Time now) {
    if (part.body_bytes > limits::body_bytes)
        return fail("a body in parts of " + std::to_string(part.body_bytes) +
                    " bytes is past the limit");
    if (!part.header.empty()) begin(from, std::move(part), now);
    auto at = coming_.find(from);
    if (at == coming_.end()) return fail("a part of a message whose beginning did not come");
    Coming& coming = at->second;
    if (bytes.empty() || bytes.size() > coming.bytes - coming.come) {
        drop(from);
        return fail("a part that is empty, or longer than what is left of its message");
    }
    std::memcpy(coming.body.get() + coming.come, bytes.data(), bytes.size());
    coming.come += bytes.size();
    coming.last = now;
    if (coming.come < coming.bytes) return Frames{.header = coming.header, .body = {}};
    Frames whole{.header = std::move(coming.header),
                 .body = Slice::share(coming.body, {coming.body.get(), coming.bytes}),
                 .whole = true};
    drop(from);
    return whole;
}

}  // namespace fanfold::net
