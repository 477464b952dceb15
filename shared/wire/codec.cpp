#include "shared/wire/codec.hpp"

#include "shared/wire/fields.hpp"

namespace fanfold::wire {

namespace {

using namespace fields;

template <std::size_t I = 0>
std::optional<Message> unpack_kind(std::uint8_t kind, const object* fields, std::uint32_t count) {
    if constexpr (I == std::variant_size_v<Message>) {
        return std::nullopt;
    } else {
        using T = std::variant_alternative_t<I, Message>;
        if (T::kind != kind) return unpack_kind<I + 1>(kind, fields, count);
        T message;
        Room room;
        if constexpr (std::is_same_v<T, Hello>) {
            if (count < 2) throw Mistyped{};
            unpack_fields(fields, 2, message, room);
            if (message.major != version_major) return message;
        }
        unpack_fields(fields, count, message, room);
        return message;
    }
}

template <class T>
std::string encode_header(const T& message) {
    msgpack::sbuffer buffer(256);
    Packer out(buffer);
    std::apply(
        [&](const auto&... field) {
            out.pack_array(1 + sizeof...(field));
            out.pack_uint8(T::kind);
            (pack(out, field), ...);
        },
        T::fields(message));
    return {buffer.data(), buffer.size()};
}

/// Calls `take(kind, fields, count)` for a header that is one whole array within the limits, and
/// returns its Result.
template <class Take>
auto read_header(std::string_view header, Take take)
    -> decltype(take(std::uint8_t{}, nullptr, std::uint32_t{})) {
    return read_array(
        header,
        [&](const object* items,
            std::uint32_t count) -> decltype(take(std::uint8_t{}, nullptr, std::uint32_t{})) {
            if (count < 1) return fail("a header is an array [kind, …]");
            std::uint8_t kind = 0;
            unpack(items[0], kind);
            return take(kind, items + 1, count - 1);
        });
}

/// Whether a header begins as one of this kind does; the rest may be anything.
bool begins_with_kind(std::string_view header, std::uint8_t kind) {
    auto byte = [&](std::size_t at) {
        return at < header.size() ? static_cast<unsigned char>(header[at]) : 0xffu;
    };
    unsigned tag = byte(0);
    bool is_short = tag >= 0x90 && tag <= 0x9f;
    if (!is_short && tag != 0xdc && tag != 0xdd) return false;  // no array
    std::size_t at = is_short ? 1 : tag == 0xdc ? 3 : 5;
    if (byte(at) <= 0x7f) return byte(at) == kind;
    if (byte(at) < 0xcc || byte(at) > 0xcf) return false;  // no unsigned integer
    std::size_t width = std::size_t{1} << (byte(at) - 0xcc);
    for (std::size_t i = 1; i < width; ++i)
        if (byte(at + i) != 0) return false;
    return byte(at + width) == kind;
}

}  // namespace

std::string encode(const Message& message) {
    return std::visit([](const auto& m) { return encode_header(m); }, message);
}

std::string encode(const Packed& packed) { return encode_header(packed); }

Result<Message> decode(std::string_view header) {
    return read_header(
        header,
        [](std::uint8_t kind, const object* fields, std::uint32_t count) -> Result<Message> {
            auto message = unpack_kind(kind, fields, count);
            if (!message) return fail("unknown message kind " + std::to_string(kind));
            return *std::move(message);
        });
}

std::optional<Result<Packed>> decode_packed(std::string_view header) {
    if (!begins_with_kind(header, Packed::kind)) return std::nullopt;
    return read_header(
        header, [](std::uint8_t, const object* fields, std::uint32_t count) -> Result<Packed> {
            Packed packed;
            Room room;
            unpack_fields(fields, count, packed, room);
            return packed;
        });
}

const char* name_of(const Message& message) {
    static constexpr const char* names[] = {
        "Hello",       "Welcome",  "Refused", "Heartbeat", "Bye",         "Block",     "Seal",
        "Accepted",    "Sealed",   "Cancel",  "Watch",     "Located",     "Notice",    "Ended",
        "Query",       "Report",   "Find",    "Found",     "Retry",       "Retried",   "Adjust",
        "Adjusted",    "Dispatch", "Done",    "Release",   "Drop",        "SendAgain", "Recall",
        "Results",     "Assign",   "Errors",  "Gathered",  "Propose",     "Forget",    "Forgotten",
        "AllowedKeys", "Collect",  "Values",  "Failures",  "Acknowledge", "Concluded"};
    static_assert(std::size(names) == std::variant_size_v<Message>);
    return names[message.index()];
}

std::optional<JobId> job_of(const Message& message) {
    return std::visit(
        [](const auto& known) -> std::optional<JobId> {
            if constexpr (requires { known.job; }) return known.job;
            else return std::nullopt;
        },
        message);
}

}  // namespace fanfold::wire
