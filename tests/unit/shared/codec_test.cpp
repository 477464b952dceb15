#include "shared/wire/codec.hpp"

#include <doctest/doctest.h>

#include <msgpack.hpp>
#include <random>

#include "shared/base/limits.hpp"
#include "shared/wire/fields.hpp"
#include "tests/support/wire_bytes.hpp"

using namespace fanfold;
using namespace fanfold::wire;
using fanfold::testing::hex;
using fanfold::testing::some_job;

namespace {
template <class T>
T round_trip(const T& message) {
    auto decoded = decode(encode(message));
    REQUIRE_MESSAGE(decoded.has_value(), decoded.error().text);
    REQUIRE(std::holds_alternative<T>(*decoded));
    CHECK(encode(*decoded) == encode(message));
    return std::get<T>(*decoded);
}

/// Members of an aggregate: the most initialisers that it takes.
struct Anything {
    template <class T>
    operator T() const;
};
template <class T, class... Members>
constexpr std::size_t member_count() {
    if constexpr (requires { T{Members{}..., Anything{}}; })
        return member_count<T, Members..., Anything>();
    else return sizeof...(Members);
}
template <class T>
constexpr bool every_member_travels = std::tuple_size_v<decltype(T::fields(std::declval<T&>()))> ==
                                      member_count<T>();
template <class... T>
constexpr bool every_member_of_each_travels(const std::variant<T...>*) {
    return (every_member_travels<T> && ...);
}
static_assert(every_member_of_each_travels(static_cast<Message*>(nullptr)));
static_assert(every_member_travels<JobSpec> && every_member_travels<JobShare> &&
              every_member_travels<Resource> && every_member_travels<OuterAttempt>);
static_assert(every_member_travels<GathererRef> && every_member_travels<JobRanges> &&
              every_member_travels<Failure>);
static_assert(every_member_travels<RunMeta> && every_member_travels<Missing> &&
              every_member_travels<JobBrief>);
static_assert(every_member_travels<DoneRun> && every_member_travels<JobFailures> &&
              every_member_travels<JobInfo>);
static_assert(every_member_travels<GathererInfo> && every_member_travels<WorkerInfo> &&
              every_member_travels<AllowedKey> && every_member_travels<Packed>);
}  // namespace

TEST_CASE("a job id is a UUID of version 7 and reads back") {
    CHECK(to_string(some_job()) == "018bcfe5-6800-7fcd-9032-547698badcfe");
    CHECK(parse_job_id(to_string(some_job())).value() == some_job());
    CHECK_FALSE(parse_job_id("018bcfe5-6800-7fcd-9032-547698badcf"));
    CHECK_FALSE(parse_job_id("018bcfe5-6800-7fcd-9032-547698badcfeb"));
    CHECK_FALSE(parse_job_id("018bcfe5x6800-7fcd-9032-547698badcfe"));
    CHECK(make_job_id(std::chrono::milliseconds(1), ~0ull, 0) <
          make_job_id(std::chrono::milliseconds(2), 0, 0));
}

TEST_CASE("messages keep what they carry") {
    Block block{.job = some_job(),
                .token = ~0ull,
                .first = 1'000'000'000'000,
                .count = 17,
                .stride = 16,
                .cuts = std::string("\0\1\2\3", 4)};
    block.spec = JobSpec{.function = "count",
                         .title = "count words",
                         .policy = GatherPolicy::quorum,
                         .quorum = 3,
                         .max_failures_percent = 2.5};
    block.spec->owner = {std::string("c\0\xff", 3)};
    block.spec->environment = {"A=1", "B=x y"};
    block.spec->deadline = std::chrono::hours(20);
    block.total = 17;
    Block back = round_trip(block);
    CHECK(back.token == block.token);
    CHECK(back.cuts == block.cuts);
    CHECK(back.spec->owner == block.spec->owner);
    CHECK(back.spec->deadline == block.spec->deadline);
    CHECK(back.spec->environment == block.spec->environment);
    CHECK(back.spec->max_failures_percent == 2.5);
    CHECK(back.total == 17);
    CHECK(round_trip(Adjust{.job = some_job(), .weight = -3e15}).weight ==
          -3e15);  // packed as an integer
    CHECK(round_trip(Adjust{.job = some_job(), .weight = 0x1p64}).weight >= 0x1p64);

    Heartbeat heartbeat{.handled = 9, .held = {{some_job(), {{0, 5}, {7, 9}}}}};
    CHECK(round_trip(heartbeat).held[0].ranges == heartbeat.held[0].ranges);
    Done done{
        .failures = {
            {some_job(),
             {Failure{
                 .index = 4, .kind = FailureKind::timeout, .message = "slow", .exit_code = -1}}}}};
    CHECK(round_trip(done).failures[0].failures[0].kind == FailureKind::timeout);
    CHECK(round_trip(done).failures[0].failures[0].exit_code == -1);
    done.troubles = {{.job = some_job(), .index = 3, .kind = TroubleKind::command, .reason = "x"}};
    CHECK(round_trip(done).troubles.at(0).index == 3);
    CHECK(round_trip(done).troubles.at(0).kind == TroubleKind::command);
    JobSpec spec{.share = {.priority = -3, .weight = 2.5, .max_running = 4},
                 .hedging = Hedging::after,
                 .hedge_after = Milliseconds(250),
                 .require = {"gpu"},
                 .resources = {{"mem", 2'000'000'000}},
                 .compress = true,
                 .outer = {{.job = some_job(), .index = 7, .attempt = 3}},
                 .rerun = Rerun::after,
                 .rerun_after = Milliseconds(9)};
    JobSpec same = round_trip(Assign{.job = some_job(), .spec = spec}).spec;
    CHECK(same.share.priority == -3);
    CHECK(same.share.weight == 2.5);
    CHECK(same.hedging == Hedging::after);
    CHECK(same.hedge_after == spec.hedge_after);
    CHECK(same.require == spec.require);
    CHECK(same.resources == spec.resources);
    CHECK(same.compress);
    CHECK(same.outer == spec.outer);
    CHECK(same.rerun == Rerun::after);
    CHECK(same.rerun_after == Milliseconds(9));
    CHECK_FALSE(round_trip(Refused{.code = RefusalCode::version, .text = "no"}).job.has_value());
}

TEST_CASE(
    "fields that an older peer does not send keep their defaults, those that it does not know are "
    "ignored") {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> out(buffer);
    auto job = some_job();
    out.pack_array(2)
        .pack(Accepted::kind)
        .pack_bin(16)
        .pack_bin_body(reinterpret_cast<const char*>(job.bytes.data()), 16);
    auto shorter = decode({buffer.data(), buffer.size()});
    REQUIRE(shorter);
    CHECK(std::get<Accepted>(*shorter).next == 0);

    buffer.clear();
    out.pack_array(5)
        .pack(Accepted::kind)
        .pack_bin(16)
        .pack_bin_body(reinterpret_cast<const char*>(job.bytes.data()), 16);
    out.pack(7).pack(8).pack("from the future");
    auto longer = decode({buffer.data(), buffer.size()});
    REQUIRE(longer);
    CHECK(std::get<Accepted>(*longer).limit == 8);
}

TEST_CASE("a hello of another major version is understood as far as its version") {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> out(buffer);
    out.pack_array(4).pack(Hello::kind).pack(9).pack(3).pack("a field of another type");
    auto hello = decode({buffer.data(), buffer.size()});
    REQUIRE(hello);
    CHECK(std::get<Hello>(*hello).major == 9);
    CHECK(std::get<Hello>(*hello).minor == 3);
}

TEST_CASE("what is no message is refused, whatever it is") {
    CHECK_FALSE(decode(""));
    CHECK_FALSE(decode("\xc0"));                               // nil
    CHECK_FALSE(decode(std::string_view("\x90", 1)));          // no kind
    CHECK_FALSE(decode(std::string_view("\x91\xcc\xff", 3)));  // unknown kind
    CHECK_FALSE(decode("\x92\x0c\x05"));                       // a number where a job id belongs
    CHECK_FALSE(decode("\x92\x1f\x91\x90"));                   // a run that does not say of what
    CHECK_FALSE(decode("\xdd\xff\xff\xff\xff"));  // five bytes that ask for tens of gigabytes
    CHECK_FALSE(decode("\xc6\xff\xff\xff\xff"));
    CHECK_FALSE(decode(std::string(100'000, '\x91') + "\xc0"));  // nested past the limit
    CHECK_FALSE(decode(encode(Bye{}) + "x"));                    // trailing bytes
    CHECK_FALSE(decode(std::string(limits::header_bytes + 1, '\xc0')));
    std::string whole = encode(Block{.job = some_job(), .spec = JobSpec{.function = "f"}});
    for (std::size_t i = 0; i < whole.size(); ++i)
        CHECK_FALSE(decode(std::string_view(whole).substr(0, i)));
}

TEST_CASE("lists that would be hundreds of times bigger in memory than on the wire are refused") {
    // Empty structs, each a single byte.
    auto report_of = [](std::size_t jobs, std::size_t workers) {
        msgpack::sbuffer buffer;
        msgpack::packer<msgpack::sbuffer> out(buffer);
        out.pack_array(4).pack(Report::kind).pack(1).pack_array(static_cast<std::uint32_t>(jobs));
        for (std::size_t i = 0; i < jobs; ++i) out.pack_array(0);
        out.pack_array(static_cast<std::uint32_t>(workers));
        for (std::size_t i = 0; i < workers; ++i) out.pack_array(0);
        return std::string(buffer.data(), buffer.size());
    };
    auto few = decode(report_of(1000, 0));
    REQUIRE(few);
    CHECK(std::get<Report>(*few).jobs.size() == 1000);
    auto many = decode(report_of(limits::header_objects - 5, 0));
    REQUIRE_FALSE(many);
    CHECK(many.error().text == "Report: the lists of a header are past the limit");
    many = decode(report_of(limits::header_objects, 0));
    REQUIRE_FALSE(many);
    CHECK(many.error().text.find("1048576 objects") != std::string::npos);
    // Lists count together.
    std::size_t jobs = limits::decoded_bytes / 2 / sizeof(JobInfo);
    std::size_t workers = limits::decoded_bytes / 2 / sizeof(WorkerInfo);
    CHECK(decode(report_of(jobs, workers)));
    CHECK_FALSE(decode(report_of(jobs + 1, workers + 1)));

    // What a busy broker has to tell fits.
    Report report;
    for (std::uint64_t i = 0; i < 15'000; ++i)
        report.jobs.push_back({.job = some_job(),
                               .title = "a title of common length",
                               .function = "f",
                               .gatherer = "gatherer"});
    REQUIRE(encode(report).size() < limits::header_bytes);
    CHECK(decode(encode(report)));
}

TEST_CASE("an older broker's way to say that it does not know a session is understood") {
    auto code_of = [](const Refused& refused) {
        return std::get<Refused>(decode(encode(refused)).value()).code;
    };
    CHECK(code_of({.code = RefusalCode::malformed, .text = "say Hello first"}) ==
          RefusalCode::unknown_session);
    CHECK(code_of({.code = RefusalCode::unknown_session}) == RefusalCode::unknown_session);
    CHECK(code_of({.code = RefusalCode::malformed, .text = "say Hello"}) == RefusalCode::malformed);
    CHECK(code_of({.code = RefusalCode::malformed, .text = "say Hello first", .job = some_job()}) ==
          RefusalCode::malformed);
}

TEST_CASE("a struct alone is bytes, and back: as messages are, so are rows") {
    JobSpec spec{.function = "f", .require = {"gpu"}};
    auto back = fields::decode_fields<JobSpec>(fields::encode_fields(spec));
    REQUIRE(back);
    CHECK(back->require == spec.require);
    CHECK_FALSE(fields::decode_fields<JobSpec>(fields::encode_fields(spec) + "x"));
    CHECK_FALSE(fields::decode_fields<JobSpec>(""));
    spec.function = std::string(256, 'f');
    CHECK(fields::decode_fields<JobSpec>(fields::encode_fields(spec)).error().text ==
          "function has 256 bytes, 255 is the most");
}

TEST_CASE("damaged messages are read or refused, never more") {
    std::string whole =
        encode(Dispatch{.sequence = 1,
                        .job = some_job(),
                        .first = 5,
                        .count = 3,
                        .brief = JobBrief{.spec = {.function = "f", .title = "t"}}});
    std::mt19937 random(42);
    int refused = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string damaged = whole;
        for (unsigned n = 0; n < 1 + random() % 3; ++n)
            damaged[random() % damaged.size()] = static_cast<char>(random());
        auto message = decode(damaged);
        if (message) CHECK(encode(*message).size() > 0);
        else ++refused;
    }
    CHECK(refused > 1000);
}

TEST_CASE("a packed header in bytes") {
    CHECK(hex(encode(Packed{.raw_bytes = 5000, .header = "\x92\x05\xa0"})) ==
          "9306cd1388c4039205a0");
    CHECK((*decode_packed("\x93\x06\xcd\x13\x88\xc4\x03\x92\x05\xa0"))->raw_bytes == 5000);
}

TEST_CASE(
    "objects of one kind in a row are counted one by one, wherever another is among them or the "
    "bytes end") {
    const std::string same = pack_text("twelve bytes");
    const std::string other = pack_bytes("of another length altogether");
    for (std::size_t count = 0; count < 20; ++count) {
        for (std::size_t odd = 0; odd <= count; ++odd) {
            std::string bytes;
            for (std::size_t i = 0; i < count; ++i) bytes += i == odd ? other : same;
            CHECK(objects_length(bytes, count) == bytes.size());
            CHECK_FALSE(objects_length(bytes, count + 1));
            if (count > 0)
                CHECK_FALSE(
                    objects_length(std::string_view(bytes).substr(0, bytes.size() - 1), count));
            CHECK(objects_length(bytes + same, count) == bytes.size());
        }
    }
}

TEST_CASE("walking objects gives the same lengths as decoding them") {
    std::string body;
    append_text(body, "a");
    append_bytes(body, std::string(300, 'b'));
    append_array(body, 2);
    append_nil(body);
    append_text(body, std::string(70'000, 'c'));
    append_array(body, 20);
    for (int i = 0; i < 20; ++i) append_nil(body);
    CHECK(is_objects(body, 4));
    CHECK_FALSE(is_objects(body, 3));
    CHECK_FALSE(is_objects(body, 5));
    CHECK(objects_length(body, 1) == 2);
    CHECK(text_of(std::string_view(body).substr(0, 2)) == "a");
    CHECK(text_of(pack_text(std::string(40, 'x'))) == std::string(40, 'x'));
    CHECK(text_of(pack_bytes("")) == "");
    CHECK_FALSE(text_of("\xc0"));
    CHECK(number_of("\x05") == 5.0);
    CHECK(number_of("\xff") == -1.0);
    CHECK_FALSE(number_of(pack_text("5")));
    auto parts = elements_of(std::string_view(body).substr(2 + 303, 1 + 1 + 70'005));
    REQUIRE(parts);
    CHECK(parts->size() == 2);
    CHECK(is_nil((*parts)[0]));

    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
        msgpack::sbuffer buffer;
        msgpack::packer<msgpack::sbuffer> out(buffer);
        int count = 1 + static_cast<int>(random() % 5);
        for (int n = 0; n < count; ++n) {
            switch (random() % 6) {
                case 0: out.pack(static_cast<std::int64_t>(random()) - 1'000'000'000); break;
                case 1: out.pack(0.5 * static_cast<double>(random())); break;
                case 2: out.pack(std::string(random() % 400, 'x')); break;
                case 3: out.pack(std::vector<int>(random() % 40, -7)); break;
                case 4: out.pack(std::map<std::string, double>{{"a", 1}, {"b", 2}}); break;
                default: out.pack(random() % 2 == 0); break;
            }
        }
        std::string_view bytes(buffer.data(), buffer.size());
        std::size_t used = 0;
        auto walked = objects_length(bytes, 1);
        try {
            msgpack::unpack(bytes.data(), bytes.size(), used);
            REQUIRE(walked == used);
        } catch (const msgpack::unpack_error&) {
            REQUIRE_FALSE(walked.has_value());
        }
    }
}
