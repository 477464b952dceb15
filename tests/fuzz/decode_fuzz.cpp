// Any bytes as a message's header: decoding never harms, and what was decoded survives another
// journey unchanged.
#include <cstdint>
#include <string_view>

#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"
#include "tests/fuzz/target.hpp"

FANFOLD_FUZZ_TARGET(decode) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto message = fanfold::wire::decode(bytes);
    if (!message) return;
    const std::string once = fanfold::wire::encode(*message);
    const auto again = fanfold::wire::decode(once);
    FANFOLD_CHECK(again.has_value());
    FANFOLD_CHECK(fanfold::wire::encode(*again) == once);
}
