#include "tests/simulation/network.hpp"

#include <algorithm>

#include "shared/wire/codec.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
constexpr Duration handshake_least = 100us, handshake_most = 50ms;
constexpr Duration retry_least = 50ms, retry_most = 400ms;
constexpr Duration stray_most = 100ms;  // by which a message of a broken connection comes later
constexpr Duration double_least = 100us, double_most = 5s;
constexpr Duration part_interval = 500ms;
constexpr Duration ghost_least = 500ms, ghost_most = 20s;
/// Said again by the cores as it is, on a connection where order holds.
bool said_again(const wire::Message& message) {
    return std::holds_alternative<wire::Seal>(message) ||
           std::holds_alternative<wire::Propose>(message) ||
           std::holds_alternative<wire::Gathered>(message) ||
           std::holds_alternative<wire::Errors>(message) ||
           std::holds_alternative<wire::Assign>(message) ||
           std::holds_alternative<wire::Accepted>(message) ||
           std::holds_alternative<wire::Ended>(message) ||
           std::holds_alternative<wire::Marked>(message) ||
           std::holds_alternative<wire::Release>(message);
}
bool pushed_again(const wire::Message& message) {
    return std::holds_alternative<wire::Block>(message) ||
           std::holds_alternative<wire::Mark>(message) ||
           std::holds_alternative<wire::Results>(message);
}
}  // namespace

std::string to_string(Endpoint endpoint) {
    return "host" + std::to_string(endpoint.host) + ":" +
           std::to_string(static_cast<int>(endpoint.port));
}

Endpoint parse_endpoint(const std::string& text) {
    auto colon = text.find(':');
    return {static_cast<HostId>(std::stoul(text.substr(4, colon - 4))),
            static_cast<Port>(std::stoi(text.substr(colon + 1)))};
}

Network::Network(Scheduler& scheduler, Random random, Trace& trace, Saboteur& saboteur,
                 std::function<std::string(HostId)> name)
    : scheduler_(scheduler),
      random_(random),
      trace_(trace),
      saboteur_(saboteur),
      name_(std::move(name)) {}

// --- sockets

void Network::bind(Endpoint endpoint, Handler handler) {
    unbind(endpoint, false);
    bindings_[endpoint] = {std::move(handler), ++last_binding_};
}

void Network::unbind(Endpoint endpoint, bool silently) {
    bindings_.erase(endpoint);
    if (silently) return;
    for (auto& [id, connection] : connections_)
        if (connection.to == endpoint && connection.up) break_connection(id, connection);
    std::erase_if(routes_, [&](const auto& route) { return route.first.first == endpoint; });
}

ConnectionId Network::connect(HostId from, Endpoint to, PeerId self, Handler handler) {
    ConnectionId id = ++last_connection_;
    Connection& connection = connections_[id];
    connection.from = from;
    connection.to = to;
    connection.self = std::move(self);
    connection.handler = std::move(handler);
    scheduler_.after(random_.duration(handshake_least, handshake_most),
                     [this, id] { try_to_connect(id); });
    return id;
}

void Network::try_to_connect(ConnectionId id) {
    auto it = connections_.find(id);
    if (it == connections_.end() || it->second.up) return;
    Connection& connection = it->second;
    if (!bindings_.contains(connection.to) || pair(connection.from, connection.to.host).blocked) {
        scheduler_.after(random_.duration(retry_least, retry_most),
                         [this, id] { try_to_connect(id); });
        return;
    }
    connection.up = true;
    if (!connection.self.bytes.empty()) routes_[{connection.to, connection.self}] = id;
    for (Packet& packet : std::exchange(connection.waiting, {}))
        fly(id, connection, true, std::move(packet));
}

void Network::close(ConnectionId id, bool silently) {
    auto it = connections_.find(id);
    if (it == connections_.end()) return;
    Connection& connection = it->second;
    connection.in.flying.clear();
    scatter_strays(id, connection);
    std::pair route{connection.to, connection.self};
    auto forget = [this, id, route] {
        if (auto at = routes_.find(route); at != routes_.end() && at->second == id)
            routes_.erase(at);
    };
    connections_.erase(it);
    if (silently) scheduler_.after(random_.duration(ghost_least, ghost_most), forget);
    else forget();
}

/// Whether it is to be sent at all; `header` is its bytes then.
bool Network::sound(std::uint64_t life, HostId from, HostId to, wire::Message& message,
                    std::string& header) {
    bool passes = saboteur_.lets_pass(life, message);
    if (passes) header = wire::encode(message);
    trace_.add(scheduler_.now(), header, [&] {
        return name_(from) + " → " + name_(to) + "  " + trace_.describe(message) +
               (passes ? "" : "  (sabotaged)");
    });
    return passes;
}

void Network::send(ConnectionId id, wire::Message message, const Slice& body) {
    auto it = connections_.find(id);
    if (it == connections_.end()) return;
    Connection& connection = it->second;
    Packet packet{.due = {}, .header = {}, .body = body, .sender = connection.from};
    if (!sound(connection.from, connection.from, connection.to.host, message, packet.header))
        return;
    bool doubled = doubled_percent_ > 0 && random_.chance(doubled_percent_);
    if (doubled && connection.up && pushed_again(message)) double_late(connection, packet);
    if (doubled && connection.up && said_again(message)) fly(id, connection, true, packet);
    if (connection.up) fly(id, connection, true, std::move(packet));
    else connection.waiting.push_back(std::move(packet));
}

bool Network::send_to(Endpoint from, const PeerId& to, wire::Message message, const Slice& body) {
    auto route = routes_.find({from, to});
    if (route == routes_.end()) return false;
    auto it = connections_.find(route->second);
    HostId receiver = it == connections_.end() ? from.host : it->second.from;
    Packet packet{.due = {}, .header = {}, .body = body, .sender = from.host};
    if (!sound(from.host, from.host, receiver, message, packet.header)) return true;
    if (it == connections_.end()) return true;
    if (doubled_percent_ > 0 && said_again(message) && random_.chance(doubled_percent_))
        fly(it->first, it->second, false, packet);
    fly(it->first, it->second, false, std::move(packet));
    return true;
}

/// As if it had been sent again over another connection, to the same life of the receiver.
void Network::double_late(const Connection& connection, const Packet& packet) {
    auto binding = bindings_.find(connection.to);
    if (binding == bindings_.end() || pair(connection.from, connection.to.host).blocked) return;
    scheduler_.after(random_.duration(double_least, double_most),
                     [this, packet, from = connection.from, to = connection.to,
                      self = connection.self, life = binding->second.life] {
                         auto at = bindings_.find(to);
                         bool there = at != bindings_.end() && at->second.life == life &&
                                      !pair(from, to.host).blocked;
                         if (there) deliver(Handler(at->second.handler), self, packet, to.host);
                     });
}

// --- on the way

Duration Network::delay(const Connection& connection) {
    const Pair& way = pair(connection.from, connection.to.host);
    return random_.duration(way.least, way.most);
}

void Network::fly(ConnectionId id, Connection& connection, bool outward, Packet packet) {
    Direction& direction = outward ? connection.out : connection.in;
    packet.due = std::max(leave(id, connection, outward, packet) + delay(connection),
                          direction.last_due + 1us);
    direction.last_due = packet.due;
    direction.flying.push_back(std::move(packet));
    if (!direction.moving) move(id, connection, outward);
}

/// When the last of it is on its way.
Time Network::leave(ConnectionId id, Connection& connection, bool outward, const Packet& packet) {
    Direction& direction = outward ? connection.out : connection.in;
    const Pair& way = pair(connection.from, connection.to.host);
    if (way.rate <= 0) return scheduler_.now();
    const auto bytes = static_cast<double>(packet.header.size() + packet.body.size());
    Time begin = std::max(scheduler_.now(), direction.free_at);
    direction.free_at = begin + Duration(static_cast<std::int64_t>(1e9 * bytes / way.rate));
    const bool has_parts = !packet.body.empty() && connection.to.port != Port::blocks &&
                           connection.to.port != Port::results;
    if (has_parts)
        while ((begin += part_interval) < direction.free_at)
            scheduler_.at(begin + delay(connection),
                          [this, id, life = connection.life, outward, packet] {
                              announce(id, life, outward, packet);
                          });
    return direction.free_at;
}

/// A part of it has come.
void Network::announce(ConnectionId id, std::uint64_t life, bool outward, const Packet& packet) {
    auto it = connections_.find(id);
    if (it == connections_.end() || it->second.life != life) return;
    const Connection& connection = it->second;
    if (pair(connection.from, connection.to.host).blocked) return;
    Arrival part{
        .from = {}, .message = wire::Bye{}, .body = {}, .sender = packet.sender, .is_part = true};
    if (!outward) return Handler(connection.handler)(std::move(part));
    auto binding = bindings_.find(connection.to);
    if (binding == bindings_.end()) return;
    part.from = connection.self;
    Handler(binding->second.handler)(std::move(part));
}

void Network::move(ConnectionId id, Connection& connection, bool outward) {
    Direction& direction = outward ? connection.out : connection.in;
    direction.moving = true;
    scheduler_.at(direction.flying.front().due,
                  [this, id, life = connection.life, outward] { arrive(id, life, outward); });
}

void Network::arrive(ConnectionId id, std::uint64_t life, bool outward) {
    auto it = connections_.find(id);
    if (it == connections_.end() || it->second.life != life) return;
    Connection& connection = it->second;
    Direction& direction = outward ? connection.out : connection.in;
    direction.moving = false;
    if (direction.flying.empty() || pair(connection.from, connection.to.host).blocked) return;
    Packet packet = std::move(direction.flying.front());
    direction.flying.pop_front();
    if (!direction.flying.empty()) move(id, connection, outward);
    if (outward) {
        auto binding = bindings_.find(connection.to);
        if (binding != bindings_.end())
            deliver(Handler(binding->second.handler), connection.self, packet, connection.to.host);
    } else {
        deliver(Handler(connection.handler), {}, packet, connection.from);
    }
}

void Network::deliver(const Handler& handler, const PeerId& from, const Packet& packet,
                      HostId receiver) {
    auto message = wire::decode(packet.header);
    FANFOLD_CHECK(message.has_value());  // what our own codec has written
    trace_.add(scheduler_.now(), {}, [&] {
        return "               " + name_(receiver) + " gets " + trace_.describe(*message);
    });
    handler({from, *std::move(message), packet.body, packet.sender});
}

// --- faults

void Network::set_delays(HostId a, HostId b, Duration least, Duration most) {
    Pair& way = pair(a, b);
    way.least = least;
    way.most = most;
}

/// A first part of what was on its way may already lie with the receiver, who reads it whenever it
/// does.
void Network::scatter_strays(ConnectionId id, Connection& connection) {
    if (pair(connection.from, connection.to.host).blocked) return;
    auto arrange = [this](std::deque<Packet>& flying, auto receive) {
        std::size_t kept = random_.chance(50) ? random_.below(flying.size() + 1) : 0;
        Time due{};
        for (std::size_t i = 0; i < kept; ++i) {
            due = std::max(due + 1us, flying[i].due + random_.duration(1us, stray_most));
            scheduler_.at(due, [receive, packet = std::move(flying[i])] { receive(packet); });
        }
        flying.clear();
    };
    if (auto binding = bindings_.find(connection.to); binding != bindings_.end())
        arrange(connection.out.flying, [this, life = binding->second.life, to = connection.to,
                                        self = connection.self](const Packet& packet) {
            auto at = bindings_.find(to);
            if (at != bindings_.end() && at->second.life == life)
                deliver(Handler(at->second.handler), self, packet, to.host);
        });
    arrange(connection.in.flying, [this, id](const Packet& packet) {
        auto at = connections_.find(id);
        if (at != connections_.end())
            deliver(Handler(at->second.handler), {}, packet, at->second.from);
    });
}

void Network::break_connection(ConnectionId id, Connection& connection) {
    scatter_strays(id, connection);
    connection.out = connection.in = Direction{};
    connection.up = false;
    ++connection.life;
    if (auto at = routes_.find({connection.to, connection.self});
        at != routes_.end() && at->second == id)
        routes_.erase(at);
    scheduler_.after(random_.duration(retry_least, retry_most), [this, id] { try_to_connect(id); });
}

void Network::break_connections(HostId a, HostId b) {
    for (auto& [id, connection] : connections_) {
        bool between = (connection.from == a && connection.to.host == b) ||
                       (connection.from == b && connection.to.host == a);
        if (between && connection.up) break_connection(id, connection);
    }
}

void Network::block(HostId a, HostId b) { pair(a, b).blocked = true; }

void Network::unblock(HostId a, HostId b, bool dead) {
    pair(a, b).blocked = false;
    for (auto& [id, connection] : connections_) {
        bool between = (connection.from == a && connection.to.host == b) ||
                       (connection.from == b && connection.to.host == a);
        if (!between || !connection.up) continue;
        if (dead) {
            connection.out.flying.clear();
            connection.in.flying.clear();
            break_connection(id, connection);
            continue;
        }
        for (bool outward : {true, false}) {
            Direction& direction = outward ? connection.out : connection.in;
            Time due = scheduler_.now();
            for (Packet& packet : direction.flying)
                packet.due = std::max(packet.due, due += random_.duration(1us, 1ms));
            direction.last_due = std::max(direction.last_due, due);
            if (!direction.flying.empty() && !direction.moving) move(id, connection, outward);
        }
    }
}

}  // namespace fanfold::simulation
