// What Fanfold is measured against: the same work over bare ZeroMQ sockets, with nothing tracked
// and everything lost in a crash.
//
//     reference_pipeline KIND COUNT [PORT]
//
// Kinds: small    fragments of 16 bytes, one to a message: client → forwarder → two workers →
// client
//        packed   the same, 1,024 to a message
//        large    fragments of 1 MiB, with a second forwarder between workers and client, as the
//        gatherer is one job      jobs of 10 small fragments in sequence, over the same four hops
//        as `large` store    no sockets: two processes write the bytes of COUNT small fragments
//        each to SQLite, in commits of 1 MiB, in this folder
//
// Each part is a process with its own context. Takes four ports from PORT (17100) on.
#include <sqlite3.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <limits>
#include <semaphore>
#include <zmq.hpp>

#include "tests/bench/children.hpp"
#include "tests/bench/measure.hpp"

namespace fanfold::bench {
namespace {

constexpr std::uint64_t packed_fragments = 1024;
constexpr std::uint64_t packed_small_bytes = 1 + sizeof(Small);  // as Fanfold keeps one
constexpr int patience = 60'000;  // milliseconds without a message after which the run has failed

/// As it travels: ZeroMQ keeps no order between workers, so each fragment has its index with it.
struct Fragment {
    std::uint64_t index = 0;
    Small payload;
};
static_assert(sizeof(Fragment) == 24);

/// Asks a worker for its number, as a fragment.
constexpr std::uint64_t probe = std::numeric_limits<std::uint64_t>::max();

// --- sockets

/// Where the parts meet; who binds is named first.
struct Endpoints {
    std::string forwarder_in, forwarder_out, gather_in, gather_out;
    explicit Endpoints(int port)
        : forwarder_in(at(port)),
          forwarder_out(at(port + 1)),
          gather_in(at(port + 2)),
          gather_out(at(port + 3)) {}
    static std::string at(int port) { return "tcp://127.0.0.1:" + std::to_string(port); }
};

enum class Side : std::uint8_t { bind, connect };

zmq::socket_t open_socket(zmq::context_t& context, zmq::socket_type type, Side side,
                          const std::string& endpoint) {
    zmq::socket_t socket(context, type);
    socket.set(zmq::sockopt::sndhwm, 0);
    socket.set(zmq::sockopt::rcvhwm, 0);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::rcvtimeo, patience);
    side == Side::bind ? socket.bind(endpoint) : socket.connect(endpoint);
    return socket;
}

void forward(const std::string& in, const std::string& out) {
    zmq::context_t context;
    auto from = open_socket(context, zmq::socket_type::pull, Side::bind, in);
    auto to = open_socket(context, zmq::socket_type::push, Side::bind, out);
    from.set(zmq::sockopt::rcvtimeo, -1);
    zmq::proxy(from, to);
}

/// Gives back what it gets: fragment by fragment what is packed, the message itself where it is one
/// payload.
void work(const Endpoints& endpoints, std::uint64_t number) {
    zmq::context_t context;
    auto in = open_socket(context, zmq::socket_type::pull, Side::connect, endpoints.forwarder_out);
    auto out = open_socket(context, zmq::socket_type::push, Side::connect, endpoints.gather_in);
    in.set(zmq::sockopt::rcvtimeo, -1);
    for (zmq::message_t message; in.recv(message);) {
        std::size_t count = message.size() / sizeof(Fragment);
        if (count > packed_fragments) {
            out.send(message, zmq::send_flags::none);
            continue;
        }
        zmq::message_t answer(message.size());
        for (std::size_t i = 0; i < count; ++i) {
            Fragment fragment;
            std::memcpy(&fragment, message.data<std::byte>() + i * sizeof(Fragment),
                        sizeof(Fragment));
            if (fragment.index == probe) fragment.payload.low = number;
            std::memcpy(answer.data<std::byte>() + i * sizeof(Fragment), &fragment,
                        sizeof(Fragment));
        }
        out.send(answer, zmq::send_flags::none);
    }
}

/// The client's ends of a pipeline whose processes are up and connected.
class Pipeline {
public:
    enum class Hops : std::uint8_t { three, four };
    Pipeline(int port, Hops hops) : endpoints_(port) {
        children_.start([&] { forward(endpoints_.forwarder_in, endpoints_.forwarder_out); });
        if (hops == Hops::four)
            children_.start([&] { forward(endpoints_.gather_in, endpoints_.gather_out); });
        for (std::uint64_t number = 0; number < 2; ++number)
            children_.start([&] { work(endpoints_, number); });
        out = open_socket(context_, zmq::socket_type::push, Side::connect, endpoints_.forwarder_in);
        in = hops == Hops::four
                 ? open_socket(context_, zmq::socket_type::pull, Side::connect,
                               endpoints_.gather_out)
                 : open_socket(context_, zmq::socket_type::pull, Side::bind, endpoints_.gather_in);
        await_both_workers();
    }
    void send(const Fragment& fragment) {
        out.send(zmq::buffer(&fragment, sizeof(fragment)), zmq::send_flags::none);
    }
    Fragment receive() {
        Fragment fragment;
        auto received = in.recv(zmq::buffer(&fragment, sizeof(fragment)), zmq::recv_flags::none);
        check(received && received->size == sizeof(fragment), "a fragment comes back");
        return fragment;
    }

private:
    void await_both_workers() {
        bool seen[2] = {};
        while (!seen[0] || !seen[1]) {
            send({.index = probe, .payload = {}});
            seen[receive().payload.low] = true;
        }
    }
    Endpoints endpoints_;
    Children children_;
    zmq::context_t context_;  // it starts its threads with the first socket: no child inherits them

public:
    zmq::socket_t out, in;
};

// --- the kinds

void send_packed(zmq::socket_t& out, const std::vector<Small>& payloads) {
    for (std::uint64_t first = 0; first < payloads.size(); first += packed_fragments) {
        std::uint64_t count = std::min<std::uint64_t>(packed_fragments, payloads.size() - first);
        zmq::message_t message(count * sizeof(Fragment));
        for (std::uint64_t i = 0; i < count; ++i) {
            Fragment fragment{.index = first + i, .payload = payloads[first + i]};
            std::memcpy(message.data<std::byte>() + i * sizeof(Fragment), &fragment,
                        sizeof(Fragment));
        }
        out.send(message, zmq::send_flags::none);
    }
}

std::uint64_t take_packed(zmq::socket_t& in, std::vector<Small>& results) {
    zmq::message_t message;
    check(in.recv(message).has_value(), "results come back");
    std::uint64_t count = message.size() / sizeof(Fragment);
    for (std::uint64_t i = 0; i < count; ++i) {
        Fragment fragment;
        std::memcpy(&fragment, message.data<std::byte>() + i * sizeof(Fragment), sizeof(Fragment));
        results.at(fragment.index) = fragment.payload;
    }
    return count;
}

void small(std::uint64_t count, int port, bool packed) {
    Pipeline pipeline(port, Pipeline::Hops::three);
    touch_memory(small_memory * count);
    auto payloads = small_payloads(count);
    std::vector<Small> results(count);
    auto begin = Clock::now();
    auto sender = std::async(std::launch::async, [&] {
        if (packed) return send_packed(pipeline.out, payloads);
        for (std::uint64_t index = 0; index < count; ++index)
            pipeline.send({.index = index, .payload = payloads[index]});
    });
    for (std::uint64_t received = 0; received < count;) {
        if (packed) {
            received += take_packed(pipeline.in, results);
        } else {
            Fragment fragment = pipeline.receive();
            results.at(fragment.index) = fragment.payload;
            ++received;
        }
    }
    double took = seconds_since(begin);
    sender.get();
    check(results == payloads, "each result is its fragment's");
    print_figure("per_second", static_cast<double>(count) / took);
}

void large(std::uint64_t count, int port) {
    Pipeline pipeline(port, Pipeline::Hops::four);
    touch_memory(large_memory * count);
    std::string payload = large_payload();
    std::vector<zmq::message_t> results(count);
    std::counting_semaphore<> room(large_window);
    auto begin = Clock::now();
    auto sender = std::async(std::launch::async, [&] {
        for (std::uint64_t index = 0; index < count; ++index) {
            room.acquire();
            zmq::message_t message(sizeof(index) + payload.size());
            std::memcpy(message.data(), &index, sizeof(index));
            std::memcpy(message.data<std::byte>() + sizeof(index), payload.data(), payload.size());
            pipeline.out.send(message, zmq::send_flags::none);
        }
    });
    for (std::uint64_t received = 0; received < count; ++received) {
        zmq::message_t message;
        check(pipeline.in.recv(message).has_value(), "a result comes back");
        std::uint64_t index = 0;
        std::memcpy(&index, message.data(), sizeof(index));
        results.at(index) = std::move(message);
        room.release();
    }
    double took = seconds_since(begin);
    sender.get();
    for (const zmq::message_t& result : results) {
        check(result.to_string_view().substr(sizeof(std::uint64_t)) == payload,
              "each result is its fragment's");
    }
    print_figure("mb_per_second", static_cast<double>(count * large_bytes) / took / 1e6);
}

void jobs(std::uint64_t count, int port) {
    Pipeline pipeline(port, Pipeline::Hops::four);
    auto payloads = small_payloads(job_fragments);
    std::vector<double> times;
    for (std::uint64_t job = 0; job < count + jobs_to_warm_up; ++job) {
        std::vector<Small> results(job_fragments);
        auto begin = Clock::now();
        for (std::uint64_t index = 0; index < job_fragments; ++index)
            pipeline.send({.index = index, .payload = payloads[index]});
        for (std::uint64_t received = 0; received < job_fragments; ++received) {
            Fragment fragment = pipeline.receive();
            results.at(fragment.index) = fragment.payload;
        }
        if (job >= jobs_to_warm_up) times.push_back(seconds_since(begin));
        check(results == payloads, "each result is its fragment's");
    }
    print_latencies(times);
}

void execute(sqlite3* database, const char* text) {
    check(sqlite3_exec(database, text, nullptr, nullptr, nullptr) == SQLITE_OK, text);
}

/// Tuned as Fanfold's own store is.
void fill_store(const std::string& path, std::uint64_t bytes) {
    sqlite3* database = nullptr;
    check(sqlite3_open(path.c_str(), &database) == SQLITE_OK, "the database opens");
    execute(database,
            "PRAGMA page_size=65536; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA "
            "wal_autocheckpoint=2048");
    execute(database, "CREATE TABLE rows(number INTEGER PRIMARY KEY, body BLOB)");
    sqlite3_stmt* insert = nullptr;
    check(sqlite3_prepare_v2(database, "INSERT INTO rows(body) VALUES (?)", -1, &insert, nullptr) ==
              SQLITE_OK,
          "the statement is right");
    std::string body = large_payload();
    for (std::uint64_t written = 0; written < bytes; written += large_bytes) {
        auto size = std::min<std::uint64_t>(large_bytes, bytes - written);
        sqlite3_bind_blob(insert, 1, body.data(), static_cast<int>(size), SQLITE_STATIC);
        check(sqlite3_step(insert) == SQLITE_DONE, "a row is written");
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    sqlite3_close(database);
}

void store(std::uint64_t count) {
    std::string folder = "reference-store-XXXXXX";
    check(mkdtemp(folder.data()) != nullptr, "a folder can be made here");
    auto begin = Clock::now();
    {
        Children writers;
        for (const char* name : {"/scatter", "/gather"})
            writers.start([&] { fill_store(folder + name, count * packed_small_bytes); });
        writers.join();
    }
    double took = seconds_since(begin);
    std::filesystem::remove_all(folder);
    print_figure("per_second", static_cast<double>(count) / took);
}

void run(const std::string& kind, std::uint64_t count, int port) {
    if (kind == "small") return small(count, port, false);
    if (kind == "packed") return small(count, port, true);
    if (kind == "large") return large(count, port);
    if (kind == "job") return jobs(count, port);
    if (kind == "store") return store(count);
    throw std::runtime_error("unknown kind '" + kind + "'; small, packed, large, job or store");
}

}  // namespace
}  // namespace fanfold::bench

int main(int count, char** arguments) {
    try {
        if (count < 3 || count > 4)
            throw std::runtime_error("usage: reference_pipeline KIND COUNT [PORT]");
        fanfold::bench::run(arguments[1], std::stoull(arguments[2]),
                            count == 4 ? std::stoi(arguments[3]) : 17100);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "reference_pipeline: %s\n", error.what());
        return 1;
    }
}
