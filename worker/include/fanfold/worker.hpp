// A worker of your own: a program that offers C++ functions to a Fanfold broker.
//
//     struct Counts { std::map<std::string, std::uint64_t> words; MSGPACK_DEFINE(words) };
//
//     int main() {
//         fanfold::Worker worker({.broker = "tcp://127.0.0.1:7411", .slots = 2});
//         worker.function("count", [](std::string_view text) -> Counts { … });
//         worker.function("log", [](fanfold::Context& context, const std::string& text) {
//         context.log(text); }); worker.run();
//     }
//
// A handler takes (T) or (Context&, T) and returns a value, or nothing (nil). Payloads and values
// are MessagePack: numbers, bool, std::string, std::string_view (which points into the payload),
// vector, map, tuple, optional, and your own types by MSGPACK_DEFINE. A payload that does not fit
// T, and any exception, makes a `failed` result with the message.
//
// Handlers are called from several threads, as many at once as there are slots. With one slot it is
// always the same thread, but that a handler that ran past its job's timeout leaves the slot of an
// embedded fleet to another. A fragment may run more than once (after a lost worker, or a retry):
// job(), index() and attempt() let a handler be made idempotent. One that is may be declared so:
//
//         worker.function("count", …, {.idempotent = true});
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <msgpack.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "fanfold/parent.hpp"
#include "fanfold/value.hpp"

namespace fanfold {

/// What a handler is told about the fragment that it runs. Valid during the call.
class Context {
public:
    struct Setup {
        std::string job;  // its correlation ID
        std::uint64_t index = 0;
        std::uint32_t attempt = 1;
        const std::atomic<bool>* cancelled = nullptr;  // nothing: never cancelled
        std::function<void(const Context&, std::string_view)> log =
            {};             // nothing: what is logged is dropped
        Parent outer = {};  // of an inner job's fragment: what its job is part of
    };
    /// Workers make contexts; make one yourself to call a handler in a test.
    explicit Context(Setup setup) : setup_(std::move(setup)) {}

    const std::string& job() const { return setup_.job; }
    std::uint64_t index() const { return setup_.index; }
    /// 1 for the first run of this fragment.
    std::uint32_t attempt() const { return setup_.attempt; }
    /// Nobody wants the result any more: the job was cancelled or is over. A long handler looks
    /// here now and then, and returns.
    bool cancelled() const {
        return setup_.cancelled != nullptr && setup_.cancelled->load(std::memory_order_relaxed);
    }
    /// A line in the worker's log, with the job's id, the index and the attempt; from a worker that
    /// is embedded, on standard error, or to EmbeddedOptions::on_log.
    void log(std::string_view text) const {
        if (setup_.log) setup_.log(*this, text);
    }
    /// For JobOptions::parent of a job that the handler opens: it ends with this attempt.
    operator Parent() const {
        Parent parent = setup_.outer;
        parent.attempts.push_back({.job = job(), .index = index(), .attempt = attempt()});
        return parent;
    }
    /// For the one who walks through a chunk: the same context for another fragment of the job.
    void move_to(std::uint64_t index) { setup_.index = index; }

private:
    Setup setup_;
};

/// The untyped form of a handler: reads one MessagePack object, appends exactly one to `out`. What
/// is wrong is thrown.
using RawHandler =
    std::function<void(Context& context, std::string_view payload, std::string& out)>;

namespace detail {

/// How many handlers have begun on the calling thread: one that waits for an inner job lends its
/// thread to that job's fragments.
inline thread_local std::size_t handler_level = 0;
/// One more while it lives.
struct HandlerLevel {
    HandlerLevel() { ++handler_level; }
    ~HandlerLevel() { --handler_level; }
    HandlerLevel(const HandlerLevel&) = delete;
    HandlerLevel& operator=(const HandlerLevel&) = delete;
};

/// Reads a handler's payload, into which the result may point. What else it points to lives until
/// the next call on the same thread and level: memory that is used again and again, because a zone
/// of its own for each payload costs more than a short handler.
template <class T>
T read_payload(std::string_view payload) {
    static thread_local std::deque<msgpack::zone> zones;  // by level
    while (zones.size() <= handler_level) zones.emplace_back();
    msgpack::zone& zone = zones[handler_level];
    zone.clear();
    return read_value<T>(payload, zone,
                         {.value = "the payload", .wanted = "the function's parameter"});
}

/// From std::function's own deduction: what a callable takes and returns.
template <class Signature>
struct Taken;
template <class R, class... Arguments>
struct Taken<std::function<R(Arguments...)>> {
    using Return = R;
    using Parameters = std::tuple<Arguments...>;
    static constexpr std::size_t count = sizeof...(Arguments);
};

template <class Handler>
RawHandler make_raw(Handler handler) {
    using Call = Taken<decltype(std::function{std::declval<Handler>()})>;
    static_assert(Call::count == 1 || Call::count == 2,
                  "a handler takes (T) or (fanfold::Context&, T)");
    using Parameter = std::tuple_element_t<Call::count - 1, typename Call::Parameters>;
    using Value = std::remove_cv_t<std::remove_reference_t<Parameter>>;
    return [handler = std::move(handler)](Context& context, std::string_view payload,
                                          std::string& out) mutable {
        auto call = [&]() -> typename Call::Return {
            Value value = read_payload<Value>(payload);
            if constexpr (Call::count == 2) {
                static_assert(
                    std::is_same_v<std::tuple_element_t<0, typename Call::Parameters>, Context&> ||
                        std::is_same_v<std::tuple_element_t<0, typename Call::Parameters>,
                                       const Context&>,
                    "a handler of two parameters takes fanfold::Context& first");
                return handler(context, static_cast<Parameter&&>(value));
            } else {
                return handler(static_cast<Parameter&&>(value));
            }
        };
        if constexpr (std::is_void_v<typename Call::Return>) {
            call();
            append_packed(out, msgpack::type::nil_t{});
        } else {
            append_packed(out, call());
        }
    };
}

}  // namespace detail

struct WorkerOptions {
    std::string broker = {};     // its control endpoint; empty: $FANFOLD_BROKER
    std::uint32_t slots = 1;     // executions at a time, 4096 at most; 0: one for each processor
    std::string name = {};       // for people and logs; empty: host-pid-suffix
    std::size_t max_output = 0;  // of commands, bytes of each stream; 0: 64 MiB
    // The log is the process's: of several workers in it, the last that begins to run sets it up.
    std::string log_level = "info";   // trace, debug, info, warn, error, off
    std::string log_file = {};        // empty: standard error
    std::string log_format = "text";  // or json
    // What jobs may require of their workers: labels, and amounts of what the running fragments
    // share, such as {"mem", 16ULL << 30}. 100 of each at most, with names of 1 to 200 bytes and
    // amounts above 0.
    std::vector<std::string> labels = {};
    std::map<std::string, std::uint64_t> resources = {};
    // The folder with its keys, made by `fanfold keygen`: then all traffic is encrypted, and the
    // broker is the one whose key lies there. Nothing: $FANFOLD_KEYS; empty: none.
    std::optional<std::string> keys = {};
    // While it runs, run() takes the process's SIGINT and SIGTERM, on whichever thread they arrive:
    // the first makes it finish what runs and return, the second leaves at once. One that the
    // process ignores stays ignored. False: signals are the program's own, which may call stop().
    bool handle_signals = true;
};

struct FunctionOptions {
    /// A fragment may run twice, at the same time too, and nothing is wrong: one that takes far
    /// longer than others is then started a second time on another worker, and the first value
    /// counts.
    bool idempotent = false;
};

class Worker {
public:
    /// Throws std::invalid_argument for labels and resources that can't be, or too many slots.
    explicit Worker(WorkerOptions options = {});
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Offers a handler: any callable that is not generic, taking (T) or (Context&, T). Throws
    /// std::invalid_argument for a name that is taken, empty, longer than 200 bytes, of other
    /// characters than letters, digits and ._-:/@+, or that begins with `fanfold.`. All functions
    /// are declared before run().
    template <class Handler>
    Worker& function(const std::string& name, Handler handler, FunctionOptions options = {}) {
        return function_raw(name, detail::make_raw(std::move(handler)), options);
    }
    /// Offers a handler that reads and writes MessagePack itself.
    Worker& function_raw(const std::string& name, RawHandler handler, FunctionOptions options = {});
    /// Offers a command line, run by /bin/sh -c for each fragment: the payload on its standard
    /// input, its standard output the value.
    Worker& command(const std::string& name, const std::string& line, FunctionOptions options = {});
    /// Runs command lines that come with a job, whatever they are. Only where whoever may submit is
    /// trusted with that.
    Worker& allow_exec();

    /// Works until stop() is called, or SIGTERM or SIGINT arrives (WorkerOptions::handle_signals);
    /// then finishes what runs, gives the rest back and returns. The signals' handlers, and the
    /// calling thread's mask, are then as they were before. May be called on any thread. Throws
    /// std::runtime_error when it can't start, or when all its slots are stuck.
    void run();
    /// From any thread: makes run() finish what runs and return.
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace fanfold
