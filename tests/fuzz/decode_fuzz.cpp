// Any bytes as a message's header: decoding never harms, and what was decoded survives another journey unchanged.
#include <cstdint>
#include <string_view>

#include "shared/codec.hpp"
#include "shared/result.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto message = fanfold::wire::decode(bytes);
    if (!message) return 0;
    const std::string once = fanfold::wire::encode(*message);
    const auto again = fanfold::wire::decode(once);
    FANFOLD_CHECK(again.has_value());
    FANFOLD_CHECK(fanfold::wire::encode(*again) == once);
    return 0;
}
