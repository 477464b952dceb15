#include "shared/wire/packing.hpp"

#include <doctest/doctest.h>
#include <zstd.h>

#include <array>
#include <random>
#include <zmq.hpp>

#include "shared/base/limits.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/secured_sockets.hpp"

using namespace fanfold;

namespace {
std::string text_of_size(std::size_t size) {
    std::string text;
    while (text.size() < size) text += "line " + std::to_string(text.size() % 1000) + "\n";
    text.resize(size);
    return text;
}

std::string noise_of_size(std::size_t size) {
    std::mt19937 random(7);
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

JobId packed_job() { return make_job_id(std::chrono::milliseconds(1'700'000'000'000), 1, 2); }

wire::Results some_results() {
    return {.job = packed_job(), .first = 5, .count = 1, .meta = {.worker = "w"}};
}

std::string compressed(std::string_view bytes) {
    std::string frame(ZSTD_compressBound(bytes.size()), '\0');
    frame.resize(ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), 1));
    return frame;
}

/// A receiver on tcp, and what it gets of the frames that are sent to it.
struct Receiver {
    zmq::context_t context;
    std::vector<std::string> bound;
    net::BoundSocket socket =
        net::bind(context, zmq::socket_type::pull, {"tcp://127.0.0.1:*"}, "--bind", bound);
    zmq::socket_t sender = net::connect(context, zmq::socket_type::push, bound.front());

    net::Incoming next() {
        std::array<zmq::pollitem_t, 1> items{{{socket.handle(), 0, ZMQ_POLLIN, 0}}};
        REQUIRE(zmq::poll(items.data(), items.size(), std::chrono::seconds(20)) == 1);
        auto incoming = net::receive(socket);
        REQUIRE(incoming);
        return *std::move(incoming);
    }
    net::Incoming get(std::string_view header, std::string_view body) {
        sender.send(zmq::buffer(header),
                    body.empty() ? zmq::send_flags::none : zmq::send_flags::sndmore);
        if (!body.empty()) sender.send(zmq::buffer(body), zmq::send_flags::none);
        return next();
    }
};
}  // namespace

TEST_CASE("a body that gets smaller comes back as it was") {
    std::string header = wire::encode(some_results());
    for (std::size_t size : {limits::compress_above, std::size_t{100'000}, std::size_t{3 << 20}}) {
        std::string body = text_of_size(size);
        auto frames = pack(header, body);
        REQUIRE(frames);
        CHECK(frames->body.size() < size / 2);
        auto packed = wire::decode_packed(frames->header);
        REQUIRE(packed);
        REQUIRE(packed->has_value());
        CHECK((*packed)->raw_bytes == size);
        CHECK((*packed)->header == header);
        CHECK(unpack(**packed, frames->body.view())->view() == body);
    }
}

TEST_CASE("small and incompressible bodies travel as they are") {
    std::string header = wire::encode(some_results());
    CHECK_FALSE(pack(header, text_of_size(limits::compress_above - 1)));
    CHECK_FALSE(pack(header, noise_of_size(10'000)));
    CHECK_FALSE(pack(header, noise_of_size(1 << 20)));
    CHECK_FALSE(pack(header, {}));
    // The sample is sound, the rest is not worth it.
    std::string mixed = noise_of_size(1 << 20);
    mixed.replace(mixed.size() / 2, 20'000, std::string(20'000, 'x'));
    CHECK_FALSE(pack(header, mixed));
}

TEST_CASE("only a header of kind 6 is a packed one, in any encoding of the number") {
    CHECK_FALSE(wire::decode_packed(""));
    CHECK_FALSE(wire::decode_packed("\x93"));
    CHECK_FALSE(wire::decode_packed("\x06"));
    CHECK_FALSE(wire::decode_packed(wire::encode(some_results())));
    for (std::string start : {std::string("\x93\x06"), std::string("\x93\xcc\x06"),
                              std::string("\x93\xcd\0\x06", 4), std::string("\xdc\0\x03\x06", 4)}) {
        auto packed = wire::decode_packed(start + std::string("\x05\xc4\x01z"));
        REQUIRE(packed);
        REQUIRE(packed->has_value());
        CHECK((*packed)->raw_bytes == 5);
        CHECK((*packed)->header == "z");
    }
    CHECK_FALSE(wire::decode_packed("\x93\x06\xc0\xc4\x01z")->has_value());  // nil bytes
    CHECK_FALSE(wire::decode_packed("\x93\x06\x05")->has_value());           // cut off
    CHECK_FALSE(wire::decode(wire::encode(wire::Packed{})).has_value());  // no message of its own
}

TEST_CASE("what is not one frame of the promised size is refused") {
    std::string body = text_of_size(50'000);
    std::string frame = compressed(body);
    auto refused = [](std::uint64_t raw_bytes, std::string_view bytes) {
        return !unpack({.raw_bytes = raw_bytes, .header = {}}, bytes);
    };
    CHECK_FALSE(refused(body.size(), frame));
    CHECK(refused(body.size() - 1, frame));
    CHECK(refused(body.size() + 1, frame));
    CHECK(refused(0, frame));
    CHECK(refused(body.size(), frame.substr(0, frame.size() - 1)));
    CHECK(refused(body.size(), frame + "x"));
    CHECK(refused(body.size(), frame + frame));
    CHECK(refused(body.size(), {}));
    CHECK(refused(body.size(), text_of_size(1000)));
    CHECK(refused(limits::body_bytes + 1, frame));
    CHECK(refused(UINT64_MAX, frame));
    // A damaged byte gives other bytes of the right size, or an error; never more.
    for (std::size_t at = 0; at < frame.size(); at += 7) {
        std::string damaged = frame;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
        auto unpacked = unpack({.raw_bytes = body.size(), .header = {}}, damaged);
        CHECK((!unpacked || unpacked->size() == body.size()));
    }
}

TEST_CASE("a frame that does not tell its size may not promise more than it can hold") {
    ZSTD_CCtx* context = ZSTD_createCCtx();
    std::string frame(1000, '\0');
    std::string body = text_of_size(10'000);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    frame.resize(ZSTD_compressBound(body.size()));
    frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), body.data(), body.size()));
    ZSTD_freeCCtx(context);
    CHECK(unpack({.raw_bytes = body.size(), .header = {}}, frame)->view() == body);
    CHECK_FALSE(unpack({.raw_bytes = body.size() + 1, .header = {}}, frame));
    CHECK_FALSE(unpack({.raw_bytes = limits::body_bytes, .header = {}}, frame));
}

TEST_CASE("a packed message is received as the one that it holds") {
    Receiver receiver;
    std::string body = text_of_size(100'000);
    net::send(receiver.sender, some_results(), Slice::copy(body), {.compress = true});
    auto incoming = receiver.next();
    REQUIRE(incoming.message.has_value());
    CHECK(std::get<wire::Results>(*incoming.message).first == 5);
    CHECK(incoming.body.view() == body);

    std::string header = wire::encode(some_results());
    auto frames = pack(header, body);
    REQUIRE(frames);
    CHECK(receiver.get(frames->header, frames->body.view()).message.has_value());
    CHECK_FALSE(receiver.get(frames->header, {}).message.has_value());
    CHECK_FALSE(receiver.get(frames->header, body).message.has_value());
    // A wrapper in a wrapper is none.
    auto inner =
        wire::encode(wire::Packed{.raw_bytes = frames->header.size(), .header = frames->header});
    CHECK_FALSE(receiver.get(inner, compressed(frames->header)).message.has_value());
    CHECK(receiver.get(header, "x").message.has_value());
}

TEST_CASE("which messages are compressed is learned from the specs that pass by") {
    CompressedJobs jobs;
    wire::Block block{.job = packed_job(), .first = 0, .count = 1, .spec = wire::JobSpec{}};
    jobs.learn(block);
    CHECK_FALSE(jobs.wants(block));
    block.spec->compress = true;
    jobs.learn(block);
    CHECK(jobs.wants(block));
    CHECK(jobs.wants(wire::Block{.job = packed_job(), .first = 1, .count = 1}));
    CHECK(jobs.wants(wire::Dispatch{.job = packed_job()}));
    CHECK(jobs.wants(some_results()));
    CHECK_FALSE(jobs.wants(wire::Errors{.job = packed_job()}));
    CHECK_FALSE(jobs.wants(wire::Dispatch{}));
    CHECK_FALSE(jobs.wants(wire::Heartbeat{}));
    jobs.learn(wire::Ended{.job = packed_job()});
    CHECK_FALSE(jobs.wants(block));
    wire::Dispatch dispatch{.job = packed_job(), .brief = wire::JobBrief{.spec = *block.spec}};
    jobs.learn(dispatch);
    CHECK(jobs.wants(some_results()));
    jobs.learn(wire::Drop{.job = packed_job()});
    CHECK_FALSE(jobs.wants(some_results()));
}
