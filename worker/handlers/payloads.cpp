#include "worker/handlers/payloads.hpp"

#include "shared/wire/codec.hpp"

namespace fanfold::worker {

bool Payloads::begin(std::string_view body, std::uint32_t count) {
    rest_ = body;
    at_ = 0;
    lengths_.clear();
    if (count > body.size()) return false;  // each takes a byte at least
    lengths_.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        auto length = wire::object_length(body);
        if (!length) return false;
        lengths_.push_back(static_cast<std::uint32_t>(*length));
        body.remove_prefix(*length);
    }
    return body.empty();
}

std::string_view Payloads::next() {
    std::string_view payload = rest_.substr(0, lengths_[at_++]);
    rest_.remove_prefix(payload.size());
    return payload;
}

}  // namespace fanfold::worker
