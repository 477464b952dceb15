// Whatever a peer says, with each of its texts as long as the codec lets in: the rows that the
// broker makes of it can be read back, and so can every message.
#include <set>

#include "shared/wire/digest.hpp"
#include "shared/wire/fields.hpp"
#include "tests/support/broker_durable_harness.hpp"

namespace fanfold::broker {
namespace {

/// Each text as long as its bound, and lists of two; what is limited as a whole is given its part.
template <class T>
void fill(T& value);
void fill_text(std::string& text, const wire::Bound& bound) {
    text.assign(std::min(bound.bytes, limits::text_bytes), 'x');
}
template <class Field>
void fill_field(Field& field, const wire::Bound& bound) {
    if constexpr (std::is_same_v<Field, std::string>) {
        fill_text(field, bound);
    } else if constexpr (std::is_same_v<Field, PeerId>) {
        if (field.bytes.empty()) fill_text(field.bytes, bound);
    } else if constexpr (std::is_same_v<Field, std::vector<std::string>>) {
        field.assign(2, {});
        for (std::string& text : field) fill_text(text, bound);
    } else if constexpr (requires { field.value(); }) {
        if constexpr (wire::fields::HasFields<std::remove_cvref_t<decltype(*field)>>)
            if (field) fill(*field);
    } else if constexpr (wire::fields::HasFields<Field>) {
        fill(field);
    } else if constexpr (requires { field.begin()->name; }) {
        for (auto& one : field) fill(one);
    }
}
template <class T>
void fill(T& value) {
    [&]<std::size_t... i>(std::index_sequence<i...>) {
        (fill_field(std::get<i>(T::fields(value)), wire::fields::bound_of<T, i>()), ...);
    }
    (std::make_index_sequence<wire::fields::field_count<T>>());
}

/// What was made so, as it comes in: by way of the codec.
template <class T>
T come(T message) {
    auto decoded = wire::decode(wire::encode(message));
    REQUIRE_MESSAGE(decoded, decoded.error().text);
    return std::get<T>(*decoded);
}
template <class T>
T filled(T message) {
    fill(message);
    return come(std::move(message));
}

/// Whether a row is one that can be read.
std::string why_unreadable(const Record& record) {
    auto why = [&]<class Row>(Row) {
        auto row = wire::fields::decode_fields<Row>(record.data);
        return row ? std::string() : row.error().text;
    };
    switch (static_cast<rows::Kind>(record.kind)) {
        case rows::Kind::job: return why(rows::Job{});
        case rows::Kind::location: return why(rows::Location{});
        case rows::Kind::block: return why(rows::Block{});
        case rows::Kind::total: return why(rows::Total{});
        case rows::Kind::error: return why(rows::Error{});
        case rows::Kind::safe: return why(rows::Safe{});
        case rows::Kind::accepted: return why(rows::Accepted{});
        case rows::Kind::tried: return why(rows::Tried{});
        case rows::Kind::share: return why(rows::Share{});
        case rows::Kind::ended: return why(rows::Ended{});
        case rows::Kind::round: return why(rows::Round{});
        case rows::Kind::forgotten: return why(rows::Forgotten{});
    }
    return "its kind is none";
}

/// A broker whose every word and row is read back.
struct Reader : Durable {
    std::set<std::string> said;    // names of messages
    std::set<std::uint8_t> kinds;  // of rows
    Reader() {
        on_persist = [this](const Record& record) {
            if (record.change == Record::Change::put) {
                CHECK_MESSAGE(why_unreadable(record).empty(), "a row of kind ",
                              std::to_string(record.kind), ": ", why_unreadable(record));
                kinds.insert(record.kind);
            }
            write(record);
        };
        on_send = [this](const Send& send) {
            auto decoded = wire::decode(wire::encode(send.message));
            CHECK_MESSAGE(decoded, wire::name_of(send.message), ": ",
                          decoded ? "" : decoded.error().text);
            said.insert(wire::name_of(send.message));
        };
    }
    template <class T>
    void hear(const char* peer, T message, Slice body = {}) {
        say(peer, filled(std::move(message)), std::move(body));
    }
    void everybody() {
        hear("c", wire::Hello{.role = wire::Role::client, .epoch = {0, 5}});
        wire::Hello gatherer{.role = wire::Role::gatherer, .epoch = {1, 1}};
        gatherer.gatherer.epoch = {1, 1};
        hear("g", std::move(gatherer));
        say("g", wire::Holds{.last = true});
        wire::Hello worker{.role = wire::Role::worker, .epoch = {0, 1}, .slots = 64};
        worker.resources = {{.amount = 5}, {.amount = 6}};
        hear("w", std::move(worker));
        hear("idle", wire::Hello{.role = wire::Role::client, .epoch = {0, 6}});
    }
    wire::Block first(std::uint64_t n, std::uint32_t count) {
        wire::Block block{.job = job_number(n), .token = 1, .count = count, .stride = 16};
        block.spec.emplace();
        block.spec->owner = {"c"};
        block.spec->retries = n == 2 ? 1 : 0;  // of this one a row says how often it was tried
        fill(block);
        block.spec->require.clear();
        block.spec->resources.clear();
        block.spec->key.replace(0, 1, std::to_string(n));
        block.spec->title.resize(limits::names_bytes - 4 * limits::text_bytes - 8192, 'x');
        block.cuts.clear();
        wire::Digest digest;
        digest.add("\x01\x02\x03");
        block.digest = digest.value();
        return come(std::move(block));
    }
};

TEST_CASE("whatever comes in with texts at their limits, each row and each message can be read") {
    Reader stage;
    KeysChanged allowed;
    for (std::size_t i = 0; i < limits::allowed_keys; ++i) {
        wire::AllowedKey key{.public_key = std::to_string(i) + std::string(40, 'k')};
        key.public_key.resize(limits::public_key_bytes);
        key.user.assign(limits::name_bytes, 'x');
        allowed.keys.push_back(std::move(key));
    }
    stage.step(std::move(allowed));
    stage.everybody();
    const JobId job = job_number(1), other = job_number(2), failing = job_number(3);
    for (std::uint64_t n : {1, 2, 3}) {
        stage.block(stage.first(n, 3), Slice::copy("\x01\x02\x03"));
        stage.hear("c", wire::Seal{.job = job_number(n), .token = 1, .total = 3});
    }
    stage.hear("c", wire::Adjust{.job = job, .priority = 1, .weight = {}, .max_running = {}});
    for (wire::Topic topic : {wire::Topic::jobs, wire::Topic::workers, wire::Topic::gatherers}) {
        stage.say("c", wire::Query{.number = 1, .topic = topic});
        stage.hear("c", wire::Query{.number = 1, .topic = topic});
    }
    stage.hear("c", wire::Watch{.job = job});
    stage.hear("c", wire::Watch{.job = job_number(9)});
    stage.hear("c", wire::Find{.number = 2});
    stage.say("c", wire::Find{.number = 3, .key = stage.job(job).spec->key, .token = 1});
    wire::Done done{.failures = {{failing, {{.index = 0}, {.index = 1}}}, {other, {{.index = 0}}}}};
    for (auto& failure : done.failures[0].failures) {
        fill(failure);
        failure.message.assign(limits::text_bytes, 'x');
    }
    stage.say("w", come(done));
    stage.hear("g", wire::Gathered{.job = job, .ranges = {{0, 2}}});
    stage.hear("g", wire::Propose{.job = other, .assignment = 1, .outcome = wire::Outcome::failed});
    stage.hear("c", wire::Cancel{.job = job});
    stage.hear("c", wire::Retry{.job = job});
    stage.hear("g", wire::Heartbeat{});
    stage.step(StoreTrouble{"the disk"});
    stage.step(StoreTrouble{});
    stage.pass(3s);
    auto end = stage.job(other).life->end;
    CHECK(end.reason.size() == limits::reason_bytes);
    stage.take_rest();  // each was read back when it was sent
    stage.restart();
    stage.everybody();
    CHECK(stage.job(other).life->end.reason == end.reason);
    CHECK(stage.job(job).running());
    CHECK(stage.job(job).spec->function.size() == limits::name_bytes);
    CHECK(stage.job(failing).books.settled().failed().size() == 2);
    stage.hear("c", wire::Forget{.job = other});
    stage.hear("g", wire::Forgotten{.job = other});
    stage.hear("c", wire::Bye{});
    for (const char* name : {"Welcome", "AllowedKeys", "Accepted", "Sealed", "Located", "Assign",
                             "Dispatch", "Errors", "Report", "Found", "Ended", "Adjusted",
                             "Retried", "Forget", "Forgotten", "Refused", "Notice"})
        CHECK_MESSAGE(stage.said.contains(name), "no ", name);
    for (auto kind = static_cast<int>(rows::Kind::job);
         kind <= static_cast<int>(rows::Kind::forgotten); ++kind)
        CHECK_MESSAGE(stage.kinds.contains(static_cast<std::uint8_t>(kind)), "no row of kind ",
                      kind);
    stage.take_rest();
}

}  // namespace
}  // namespace fanfold::broker
