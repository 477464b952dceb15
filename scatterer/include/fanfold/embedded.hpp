// All four components in this process: broker, worker, gatherer and scatterer over inproc, with no
// server to start.
//
//     fanfold::Embedded fleet({.slots = 4});
//     fleet.function("count", [](std::string_view text) -> Counts { … });
//     auto job = fleet.scatterer().scatter("count", texts);
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fanfold/scatterer.hpp"
#include "fanfold/worker.hpp"

namespace fanfold {

struct EmbeddedOptions {
    std::uint32_t slots = 0;  // of the embedded worker; 0: one for each processor
    std::string bind = {};    // tcp://HOST:PORT: remote workers may join there; empty: inproc only
    std::string advertise = {};  // as which remote workers reach it; empty: as bound
    /// Declared command functions: name and command line.
    std::vector<std::pair<std::string, std::string>> commands = {};
    bool allow_exec = false;     // commands that come with a job (`fanfold.exec`)
    std::size_t max_output = 0;  // bytes of each output stream of a command; 0: 64 MiB
    std::uint64_t memory = std::uint64_t{1} << 30;  // most bytes of results held
    /// With `bind`: the folder of the fleet's key and of the file `allowed`, which lists the keys
    /// that may join; those workers know the fleet's public key as the broker's. Without a value
    /// $FANFOLD_KEYS names the folder; an empty text means no keys.
    std::optional<std::string> keys = {};
    bool insecure = false;  // `bind` may be reached by other hosts without keys
};

/// Declare functions first; the fleet starts with the first call of scatterer().
class Embedded {
public:
    /// Throws std::invalid_argument for a function name that can't be used.
    explicit Embedded(EmbeddedOptions options = {});
    Embedded(const Embedded&) = delete;
    Embedded& operator=(const Embedded&) = delete;
    /// Ends the fleet: jobs still running are cancelled, commands killed.
    ~Embedded();

    /// As Worker::function. Throws std::logic_error once the fleet has started.
    template <class Handler>
    Embedded& function(const std::string& name, Handler handler) {
        return function_raw(name, detail::make_raw(std::move(handler)));
    }
    /// As Worker::function_raw.
    Embedded& function_raw(const std::string& name, RawHandler handler);

    /// Starts the fleet if it is not running yet. Throws FanfoldError when it can't (an address in
    /// use, no guardian for commands).
    Scatterer& scatterer();

    /// With EmbeddedOptions::bind: the endpoint that remote workers join (a wildcard port
    /// resolved). Starts the fleet.
    const std::string& endpoint();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace fanfold
