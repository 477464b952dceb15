// The runner's end of its guardian: starts the process, holds the socket, and cleans up after it.
// Owned by one thread at a time. Nothing but the socket is inherited by the guardian, so starting
// one is cheap and safe from a large process with many threads.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "shared/base/result.hpp"
#include "worker/guardian/containment.hpp"
#include "worker/guardian/guardian_protocol.hpp"

namespace fanfold::worker::guardian {

class Link {
public:
    /// Starts the program and waits until it answers, five seconds at most.
    static Result<Link> start(const std::string& program, const Containment& containment);

    Link() = default;
    Link(Link&& other) noexcept;
    Link& operator=(Link&& other) noexcept;
    /// As end().
    ~Link();

    bool open() const { return socket_.open(); }
    int socket() const { return socket_.get(); }

    /// Whether the folders of commands, if they get any, have room for a small file.
    bool has_space() const;
    /// Lets it run on if a command has stopped it.
    void rouse() const;
    /// Closes the socket and waits until the guardian has killed everything and is gone.
    void end();
    /// After its death: waits for the guardian itself, and kills all that it has left behind.
    void clean_up();

private:
    bool wait_for_exit();
    void kill_rest() const;
    Result<void> make_places(const Containment& containment);
    void remove_places();

    Descriptor socket_;
    pid_t pid_ = 0;
    std::string name_;
    std::string folder_;  // in which commands get one each; may be empty
    std::string cgroup_;  // below which commands get one each; may be empty
    bool adopts_orphans_ = false;
};

}  // namespace fanfold::worker::guardian
