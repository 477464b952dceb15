// Any two frames as a packed message: unwrapping gives a body of exactly the promised size or an
// error, and what was packed comes back. The first two bytes (little-endian) say how many of the
// rest are the header.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/limits.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/packing.hpp"
#include "tests/fuzz/target.hpp"

FANFOLD_FUZZ_TARGET(packed) {
    using namespace fanfold;
    if (size < 2) return;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t cut = std::min<std::size_t>(data[0] + 256u * data[1], bytes.size());
    const std::string_view header = bytes.substr(0, cut);
    const std::string_view body = bytes.substr(cut);

    if (const auto packed = wire::decode_packed(header); packed && *packed) {
        FANFOLD_CHECK(!wire::decode(header));
        if (const auto unpacked = unpack(**packed, body))
            FANFOLD_CHECK(unpacked->size() == (*packed)->raw_bytes);
    }
    // Also under other promises than that of the header.
    for (const std::uint64_t raw : {std::uint64_t{body.size()}, std::uint64_t{limits::body_bytes}})
        if (const auto unpacked = unpack({.raw_bytes = raw, .header = {}}, body))
            FANFOLD_CHECK(unpacked->size() == raw);

    // Long enough to be packed: the input over and over.
    std::string large;
    while (!body.empty() && large.size() < 2 * limits::compress_above) large += body;
    if (const auto frames = pack(std::string(header), large)) {
        const auto packed = wire::decode_packed(frames->header);
        FANFOLD_CHECK(packed && packed->has_value() && (*packed)->header == header);
        const auto unpacked = unpack(**packed, frames->body.view());
        FANFOLD_CHECK(unpacked && unpacked->view() == large);
    }
}
