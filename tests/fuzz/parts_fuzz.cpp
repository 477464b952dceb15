// Parts of messages of a few peers, in any order, against what they should become: a message is
// whole exactly when its parts came one behind the other, and then its body is theirs.
#include <cstdint>
#include <map>
#include <string>

#include "shared/base/result.hpp"
#include "shared/net/parts.hpp"
#include "shared/wire/codec.hpp"
#include "tests/fuzz/bytes.hpp"
#include "tests/fuzz/target.hpp"

namespace {
struct Begun {
    std::string header;
    std::uint64_t bytes = 0;
    std::string come;
};
}  // namespace

FANFOLD_FUZZ_TARGET(parts) {
    using namespace fanfold;
    fuzz::Bytes events(data, size);
    net::Parts parts;
    std::map<PeerId, Begun> model;
    const Time now{};
    while (!events.empty()) {
        fuzz::Bytes event(events.line());
        const PeerId peer{std::string(1, static_cast<char>('a' + event.below(3)))};
        if (event.below(8) == 0) {
            parts.drop(peer);
            model.erase(peer);
            continue;
        }
        wire::Part part{.body_bytes = event.number(), .header = std::string(event.text(3))};
        const std::string bytes(event.rest());
        // As a peer would send it.
        const auto read = wire::decode_part(wire::encode(part));
        FANFOLD_CHECK(read && *read && (*read)->body_bytes == part.body_bytes);
        const bool fits = part.body_bytes <= limits::body_bytes;
        if (fits && !part.header.empty())
            model[peer] = {.header = part.header, .bytes = part.body_bytes, .come = {}};
        auto begun = model.find(peer);
        const auto frames = parts.take(peer, part, bytes, now);
        if (!fits || begun == model.end()) {
            FANFOLD_CHECK(!frames);
            continue;
        }
        Begun& message = begun->second;
        const bool sound = !bytes.empty() && bytes.size() <= message.bytes - message.come.size();
        FANFOLD_CHECK(frames.has_value() == sound);
        if (sound) {
            message.come += bytes;
            FANFOLD_CHECK(frames->whole == (message.come.size() == message.bytes));
            FANFOLD_CHECK(frames->header == message.header);
            if (!frames->whole) continue;
            FANFOLD_CHECK(frames->body.view() == message.come);
        }
        model.erase(begun);
    }
}
