// A network between hosts under virtual time, with ZeroMQ's ways: sockets that connect keep what
// they could not send yet and reconnect by themselves; what is on its way when a connection breaks
// is lost but for a first part, which may arrive after what the next connection brings; a ROUTER
// reports peers that are not connected; a PUSH hears of nothing. Every message passes through the
// codec. One thread.
//
// Invariant: within one connection's life each direction keeps its order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "shared/events/events.hpp"
#include "tests/simulation/bugs.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/scheduler.hpp"
#include "tests/simulation/trace.hpp"

namespace fanfold::simulation {

using HostId = std::uint32_t;
using ConnectionId = std::uint64_t;

enum class Port : std::uint8_t { control, blocks, results, collect };

struct Endpoint {
    HostId host = 0;
    Port port = Port::control;
    auto operator<=>(const Endpoint&) const = default;
};
std::string to_string(Endpoint endpoint);
Endpoint parse_endpoint(const std::string& text);

struct Arrival {
    PeerId from;
    wire::Message message;
    Slice body;
    HostId sender = 0;
    bool is_part = false;  // the rest of it is on its way
};
using Handler = std::function<void(Arrival)>;

class Network {
public:
    Network(Scheduler& scheduler, Random random, Trace& trace, Saboteur& saboteur,
            std::function<std::string(HostId)> name);

    // --- sockets
    /// A listening socket; an earlier one at the same place is gone, and who was connected to it
    /// has to connect again.
    void bind(Endpoint endpoint, Handler handler);
    /// Silently: those who are connected notice nothing until somebody else binds there.
    void unbind(Endpoint endpoint, bool silently);
    ConnectionId connect(HostId from, Endpoint to, PeerId self, Handler handler);
    void send(ConnectionId connection, wire::Message message, const Slice& body);
    /// By a ROUTER; false when nobody of that name is connected.
    bool send_to(Endpoint from, const PeerId& to, wire::Message message, const Slice& body);
    /// Silently: a ROUTER at the other end takes the peer for connected for a while.
    void close(ConnectionId connection, bool silently);

    // --- faults
    void set_delays(HostId a, HostId b, Duration least, Duration most);
    /// So many bytes a second in each direction of each connection between the two. Long messages
    /// come in parts where receivers count silence, as they do over real sockets.
    void set_rate(HostId a, HostId b, double bytes_a_second) { pair(a, b).rate = bytes_a_second; }
    /// So many of what may be sent again is: on the sockets that only go one way with a delay of
    /// its own, as over another connection.
    void set_doubled(double percent) { doubled_percent_ = percent; }
    void break_connections(HostId a, HostId b);
    /// Nothing passes between the two, and nobody is told.
    void block(HostId a, HostId b);
    /// What was held back goes on, or the connections turn out to be dead.
    void unblock(HostId a, HostId b, bool dead);

private:
    struct Packet {
        Time due;
        std::string header;
        Slice body;
        HostId sender = 0;
    };
    struct Direction {
        std::deque<Packet> flying;
        Time last_due{};
        Time free_at{};       // of a connection with a rate
        bool moving = false;  // an arrival is arranged
    };
    struct Connection {
        HostId from = 0;
        Endpoint to;
        PeerId self;
        Handler handler;
        bool up = false;
        std::uint64_t life = 0;      // counts its breaks
        std::deque<Packet> waiting;  // for it to be up
        Direction out, in;
    };
    struct Binding {
        Handler handler;
        std::uint64_t life = 0;
    };
    struct Pair {
        bool blocked = false;
        Duration least{};
        Duration most{};
        double rate = 0;  // 0: any
    };

    Pair& pair(HostId a, HostId b) { return pairs_[{std::min(a, b), std::max(a, b)}]; }
    Duration delay(const Connection& connection);
    Time leave(ConnectionId id, Connection& connection, bool outward, const Packet& packet);
    void announce(ConnectionId id, std::uint64_t life, bool outward, const Packet& packet);
    void fly(ConnectionId id, Connection& connection, bool outward, Packet packet);
    void move(ConnectionId id, Connection& connection, bool outward);
    void arrive(ConnectionId id, std::uint64_t life, bool outward);
    void deliver(const Handler& handler, const PeerId& from, const Packet& packet, HostId receiver);
    void break_connection(ConnectionId id, Connection& connection);
    void scatter_strays(ConnectionId id, Connection& connection);
    void try_to_connect(ConnectionId id);
    void double_late(const Connection& connection, const Packet& packet);
    bool sound(std::uint64_t life, HostId from, HostId to, wire::Message& message,
               std::string& header);

    Scheduler& scheduler_;
    Random random_;
    Trace& trace_;
    Saboteur& saboteur_;
    std::function<std::string(HostId)> name_;
    std::map<ConnectionId, Connection> connections_;
    std::map<std::pair<Endpoint, PeerId>, ConnectionId> routes_;  // what ROUTERs believe
    std::map<Endpoint, Binding> bindings_;
    std::map<std::pair<HostId, HostId>, Pair> pairs_;
    double doubled_percent_ = 0;
    ConnectionId last_connection_ = 0;
    std::uint64_t last_binding_ = 0;
};

}  // namespace fanfold::simulation
