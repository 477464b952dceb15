// As many inputs to a fragment as fit into a command line: --xargs, -m, -X. One thread at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

namespace fanfold::scatterer::cli {

struct Packing {
    std::size_t most = 0;   // bytes of the inputs, as they stand in a command line; 0: not packed
    std::size_t slots = 0;  // what fills none of them is shared out among so many; 0: not shared
};

/// Takes inputs and gives out fragments. An input that is longer than all may be is a fragment of
/// its own.
class Packer {
public:
    explicit Packer(Packing packing) : packing_(packing) {}
    bool packs() const { return packing_.most > 0; }

    /// Whether the next fragment is not known before more inputs come, or their end.
    bool wants() const { return !ended_ && held_bytes_ <= room(); }
    void add(std::vector<std::string> columns);
    void end();

    /// Appends the next fragment's columns; false when there is none. Not while it wants().
    bool take(std::vector<std::string>& columns);

private:
    struct Held {
        std::vector<std::string> columns;
        std::size_t bytes = 0;
    };
    std::size_t room() const;

    Packing packing_;
    std::deque<Held> held_;
    std::size_t held_bytes_ = 0;
    bool ended_ = false;
    std::size_t share_ = 0;  // inputs of a fragment at most, once the end is known; 0: no limit
};

}  // namespace fanfold::scatterer::cli
