// All four components in this process: broker, worker, gatherer and scatterer over inproc, with no
// server to start.
//
//     fanfold::Embedded fleet({.slots = 4});
//     fleet.function("count", [](std::string_view text) -> Counts { … });
//     auto job = fleet.scatterer().scatter("count", texts);
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fanfold/scatterer.hpp"
#include "fanfold/worker.hpp"

namespace fanfold {

struct EmbeddedOptions {
    // Of the embedded worker: fragments at a time; 0: one for each processor; more than 4096 count
    // as so many. A slot whose handler runs past its job's timeout gets another thread; there are
    // as many of these again as slots. While all are held so, fragments fail, naming the functions
    // that hold them.
    std::uint32_t slots = 0;
    std::string bind = {};  // tcp://HOST:PORT: remote workers may join there; empty: inproc only
    std::string advertise = {};  // as which remote workers reach it; empty: as bound
    /// Declared command functions: name and command line.
    std::vector<std::pair<std::string, std::string>> commands = {};
    bool allow_exec = false;     // commands that come with a job (`fanfold.exec`)
    std::size_t max_output = 0;  // bytes of each output stream of a command; 0: 64 MiB
    std::uint64_t memory = std::uint64_t{1} << 30;  // most bytes of results held
    /// Told what handlers log by Context::log(), on their threads, several at once. Without it a
    /// line on standard error.
    std::function<void(const Context&, std::string_view)> on_log = {};
    /// With `bind`: the folder of the fleet's key and of the file `allowed`, which lists the keys
    /// that may join; those workers know the fleet's public key as the broker's. Without a value
    /// $FANFOLD_KEYS names the folder; an empty text means no keys.
    std::optional<std::string> keys = {};
    bool insecure = false;  // `bind` may be reached by other hosts without keys
    // Commands run in a fresh folder each, unless their job names one; else in this process's own.
    bool fresh_folders = false;
};

/// Declare functions first; the fleet starts with the first call of scatterer(). It belongs to the
/// process that started it: in a child of fork() every call is a FanfoldError.
///
/// A handler may scatter jobs itself and wait for them, however deep: its thread runs their
/// fragments meanwhile (JobOptions::parent).
class Embedded {
public:
    /// Throws std::invalid_argument for a function name that can't be used.
    explicit Embedded(EmbeddedOptions options = {});
    Embedded(const Embedded&) = delete;
    Embedded& operator=(const Embedded&) = delete;
    /// Ends the fleet, as close() does, and waits until every handler has returned, for as long as
    /// that takes: what handlers have captured may go after that. After a call of close() it waits
    /// no more; handlers that have not returned by then run on, on threads of their own. Not to be
    /// called by a handler.
    ~Embedded();
    /// Ends the fleet: jobs that still run are cancelled, waits for them end with an error,
    /// commands get SIGTERM and 2 s later SIGKILL, and handlers are told by Context::cancelled().
    /// Waits for handlers to return, at most so long; whether all have. May be called again, to
    /// wait longer. The Scatterer stays, and whatever is asked of it is an error. By one thread at
    /// a time, and not by a handler.
    bool close(std::chrono::milliseconds patience);

    /// Lets the commands of all embedded fleets of this process rest, and go on: for programs that
    /// are stopped at their terminal. Any thread.
    static void pause_commands();
    static void resume_commands();

    /// As Worker::function. Throws std::logic_error once the fleet has started.
    template <class Handler>
    Embedded& function(const std::string& name, Handler handler) {
        return function_raw(name, detail::make_raw(std::move(handler)));
    }
    /// As Worker::function_raw.
    Embedded& function_raw(const std::string& name, RawHandler handler);

    /// Starts the fleet if it is not running yet. Throws FanfoldError when it can't (an address in
    /// use, no guardian for commands), or after close(). Any thread. Should a part of the fleet
    /// break later, all its jobs end with a FanfoldError that says what has happened.
    Scatterer& scatterer();

    /// With EmbeddedOptions::bind: the endpoint that remote workers join (a wildcard port
    /// resolved). Starts the fleet.
    const std::string& endpoint();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace fanfold
