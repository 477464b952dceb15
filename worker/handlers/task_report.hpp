// What a slot tells of its task: values in runs, as they are finished, and failures, with the times
// that they took. Belongs to a slot.
//
// Threads: everything is called with the slot's mutex held, but for what values() allows without
// it; scan() and overrun() by the watch, the rest by the thread that runs the task. Events are
// delivered while the mutex is held, so they come in order.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "worker/core/events.hpp"
#include "worker/handlers/value_buffer.hpp"

namespace fanfold::worker {

using Deliver = std::function<void(Event)>;

class TaskReport {
public:
    explicit TaskReport(Deliver deliver) : deliver_(std::move(deliver)) {}

    /// Another task. begin_run() follows when its first fragment begins.
    void begin(const Task& task);
    /// What is not finished yet begins now.
    void begin_run(Time now);
    /// Its next() is the fragment that runs.
    ValueBuffer& values() { return values_; }

    /// Delivers what is finished, as having taken until `now`.
    void flush(Time now);
    /// Takes the value for which there was no room.
    void keep_with_room(std::string& value, Time now);
    /// Takes a run of values that are in no buffer.
    void keep_whole(ValueBuffer::Part part, Time now) { deliver_part(std::move(part), now); }
    /// Takes a failure of the fragment that runs, which began at `began`. Where no clock was read,
    /// it is taken to have lasted as long as each of those before it.
    void fail(wire::Failure failure, Time now, std::optional<Time> began,
              std::optional<wire::TroubleKind> trouble = {});

    /// Delivers what was there at the scan before. Called every limits::watch_interval.
    void scan(Time now);
    /// Delivers that the fragment, which began then, runs past its timeout, and what is before it;
    /// false when it has been finished meanwhile. Lets no more value in.
    bool overrun(Index index, Time began);

    void deliver(Event event) {
        if (deliver_) deliver_(std::move(event));
    }
    /// Delivers nothing any more.
    void close() { deliver_ = {}; }

private:
    void deliver_part(ValueBuffer::Part part, Time now);

    struct Seen {
        Time at;
        Index next;
    };

    Deliver deliver_;
    std::uint64_t task_ = 0;
    ValueBuffer values_;
    Time run_started_{};               // when what waits in values_ began to run
    wire::Microseconds run_stamp_{0};  // that moment, since 1970
    std::optional<Seen> seen_;         // when scan() first saw something in values_
};

}  // namespace fanfold::worker
