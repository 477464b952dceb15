// Messages that come in parts to one socket, until they are whole. Owned by the socket's thread.
//
// Invariant: of each peer at most one message is under way, and no more of its memory is touched
// than has come. One whose peer went away is dropped when another begins (limits::part_patience).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "shared/base/ids.hpp"
#include "shared/base/result.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::net {

class Parts {
public:
    /// One message, as far as it has come.
    struct Frames {
        std::string header;
        Slice body;
        bool whole = false;
    };
    /// The next part from that peer. An Error for one that fits to nothing: parts before it were
    /// lost with a connection, or it claims more than a body may have.
    Result<Frames> take(const PeerId& from, wire::Part part, std::string_view bytes, Time now);
    /// What that peer had begun is over: it says something else.
    void drop(const PeerId& from) { coming_.erase(from); }

private:
    struct Coming {
        std::string header;
        std::shared_ptr<char[]> body;
        std::uint64_t bytes = 0;
        std::uint64_t come = 0;
        Time last{};  // part
    };
    void begin(const PeerId& from, wire::Part part, Time now);

    std::map<PeerId, Coming> coming_;
};

}  // namespace fanfold::net
