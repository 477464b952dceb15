// Stands at a bound socket that has no gatekeeper. Connections are counted against the files that
// the program may open: those that would take the last of them are closed, with a line in the log,
// since libzmq would spin at the limit, or abort. On a thread of its own.
#pragma once

#include <thread>
#include <zmq.hpp>

#include "shared/net/loop.hpp"
#include "shared/security/arrivals.hpp"

namespace fanfold::net {

class Doorman {
public:
    /// The monitor of the bound socket, of Arrivals::events, which must end before this does.
    explicit Doorman(zmq::socket_t monitor);
    ~Doorman();
    Doorman(const Doorman&) = delete;
    Doorman& operator=(const Doorman&) = delete;

private:
    zmq::socket_t monitor_;
    Arrivals arrivals_{"sockets", Arrivals::Rule::any_may_stay};
    Loop loop_;
    std::thread thread_;
};

}  // namespace fanfold::net
