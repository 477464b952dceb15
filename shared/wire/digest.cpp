#include "shared/wire/digest.hpp"

#define XXH_INLINE_ALL  // header only: nothing to link
#include <xxhash.h>

namespace fanfold::wire {

struct Digest::State {
    XXH3_state_t hash;
};

Digest::Digest() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->hash); }
Digest::~Digest() = default;
Digest::Digest(const Digest& other) : state_(std::make_unique<State>(*other.state_)) {}
Digest& Digest::operator=(const Digest& other) { return *this = Digest(other); }
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::string_view bytes) {
    XXH3_128bits_update(&state_->hash, bytes.data(), bytes.size());
}

std::string Digest::value() const {
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(&state_->hash));
    return {reinterpret_cast<const char*>(bytes.digest), sizeof bytes.digest};
}

}  // namespace fanfold::wire
