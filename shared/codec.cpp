#include "shared/codec.hpp"

#include <cstring>
#include <limits>
#include <msgpack.hpp>
#include <type_traits>

#include "shared/limits.hpp"

namespace fanfold::wire {

namespace {

// --- walking MessagePack without decoding it -------------------------------------------------------------------

std::uint64_t big_endian(const unsigned char* at, unsigned bytes) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value = value << 8 | at[i];
    return value;
}

/// What an object's first bytes say: how long it is without its children, and how many children follow.
struct Opening {
    std::uint64_t length = 0;  // 0: not MessagePack, or cut off
    std::uint64_t children = 0;
};

Opening read_opening(const unsigned char* at, std::size_t left) {
    unsigned char tag = at[0];
    if (tag <= 0x7f || tag >= 0xe0) return {1, 0};                 // fixint
    if (tag <= 0x8f) return {1, 2u * (tag & 0x0fu)};               // fixmap
    if (tag <= 0x9f) return {1, tag & 0x0fu};                      // fixarray
    if (tag <= 0xbf) return {1u + (tag & 0x1fu), 0};               // fixstr
    auto sized = [&](unsigned width, unsigned extra) -> Opening {  // bin, ext, str: length, then bytes
        if (left < 1 + width) return {};
        return {1 + width + extra + big_endian(at + 1, width), 0};
    };
    auto nested = [&](unsigned width, unsigned each) -> Opening {  // array, map: count, then children
        if (left < 1 + width) return {};
        return {1 + width, each * big_endian(at + 1, width)};
    };
    // clang-format off
    switch (tag) {
        case 0xc0: case 0xc2: case 0xc3: return {1, 0};                         // nil, false, true
        case 0xc4: case 0xd9: return sized(1, 0);
        case 0xc5: case 0xda: return sized(2, 0);
        case 0xc6: case 0xdb: return sized(4, 0);
        case 0xc7: return sized(1, 1);
        case 0xc8: return sized(2, 1);
        case 0xc9: return sized(4, 1);
        case 0xcc: case 0xd0: return {2, 0};
        case 0xcd: case 0xd1: return {3, 0};
        case 0xca: case 0xce: case 0xd2: return {5, 0};
        case 0xcb: case 0xcf: case 0xd3: return {9, 0};
        case 0xd4: return {3, 0};
        case 0xd5: return {4, 0};
        case 0xd6: return {6, 0};
        case 0xd7: return {10, 0};
        case 0xd8: return {18, 0};
        case 0xdc: return nested(2, 1);
        case 0xdd: return nested(4, 1);
        case 0xde: return nested(2, 2);
        case 0xdf: return nested(4, 2);
        default: return {};                                                     // 0xc1 is never used
    }
    // clang-format on
}

// --- structs to MessagePack ------------------------------------------------------------------------------------

using Packer = msgpack::packer<msgpack::sbuffer>;

template <class T>
concept HasFields = requires {
    T::fields;
};
template <class T>
concept IsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;
template <class T>
concept IsEnum = std::is_enum_v<T>;
template <class T>
concept IsDuration = requires {
    typename T::period;
    typename T::rep;
};

void pack(Packer& out, bool value) { value ? out.pack_true() : out.pack_false(); }
void pack(Packer& out, double value) { out.pack_double(value); }
template <IsInteger T>
void pack(Packer& out, T value) {
    out.pack(value);
}
template <IsEnum T>
void pack(Packer& out, T value) {
    out.pack(static_cast<std::underlying_type_t<T>>(value));
}
template <IsDuration T>
void pack(Packer& out, T value) {
    out.pack_int64(value.count());
}

void pack_raw(Packer& out, const void* bytes, std::size_t size) {
    out.pack_bin(static_cast<std::uint32_t>(size));
    out.pack_bin_body(static_cast<const char*>(bytes), static_cast<std::uint32_t>(size));
}
void pack(Packer& out, const JobId& job) { pack_raw(out, job.bytes.data(), job.bytes.size()); }
void pack(Packer& out, const PeerId& peer) { pack_raw(out, peer.bytes.data(), peer.bytes.size()); }
void pack(Packer& out, const std::string& text) { pack_raw(out, text.data(), text.size()); }

template <HasFields T>
void pack(Packer& out, const T& value);
template <class T>
void pack(Packer& out, const std::optional<T>& value) {
    value ? pack(out, *value) : (void)out.pack_nil();
}
template <class T>
void pack(Packer& out, const std::vector<T>& values) {
    out.pack_array(static_cast<std::uint32_t>(values.size()));
    for (const T& value : values) pack(out, value);
}
template <HasFields T>
void pack(Packer& out, const T& value) {
    std::apply(
        [&](const auto&... field) {
            out.pack_array(sizeof...(field));
            (pack(out, field), ...);
        },
        T::fields(value));
}

// --- MessagePack to structs ------------------------------------------------------------------------------------

using msgpack::object;

struct Mistyped {};  // thrown and caught within decode()

void unpack(const object& from, bool& value) {
    if (from.type != msgpack::type::BOOLEAN) throw Mistyped{};
    value = from.via.boolean;
}
void unpack(const object& from, double& value) {
    if (from.type == msgpack::type::FLOAT64 || from.type == msgpack::type::FLOAT32) value = from.via.f64;
    else if (from.type == msgpack::type::POSITIVE_INTEGER) value = static_cast<double>(from.via.u64);
    else throw Mistyped{};
}
template <IsInteger T>
void unpack(const object& from, T& value) {
    if (from.type == msgpack::type::POSITIVE_INTEGER && from.via.u64 <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
        value = static_cast<T>(from.via.u64);
    else if (std::is_signed_v<T> && from.type == msgpack::type::NEGATIVE_INTEGER &&
             from.via.i64 >= static_cast<std::int64_t>(std::numeric_limits<T>::min()))
        value = static_cast<T>(from.via.i64);
    else throw Mistyped{};
}
/// The largest declared value of each enum; a value past it, or 0 where 0 is not declared, is refused.
constexpr unsigned last_of(Hedging) { return 4; }
constexpr unsigned last_of(Role) { return 3; }
constexpr unsigned last_of(FailureKind) { return 4; }
constexpr unsigned last_of(Outcome) { return 5; }
constexpr unsigned last_of(GatherPolicy) { return 4; }
constexpr unsigned last_of(RefusalCode) { return 9; }
constexpr unsigned last_of(Topic) { return 3; }
template <IsEnum T>
void unpack(const object& from, T& value) {
    std::underlying_type_t<T> number{};
    unpack(from, number);
    if (number > last_of(T{}) || (number == 0 && !std::is_same_v<T, Outcome>)) throw Mistyped{};
    value = static_cast<T>(number);
}
template <IsDuration T>
void unpack(const object& from, T& value) {
    typename T::rep count{};
    unpack(from, count);
    constexpr auto most = std::chrono::duration_cast<T>(std::chrono::hours(24 * 365 * 100)).count();
    if (count > most || count < -most) throw Mistyped{};  // so that arithmetic in nanoseconds can't overflow
    value = T(count);
}
std::string_view raw(const object& from) {
    if (from.type == msgpack::type::BIN) return {from.via.bin.ptr, from.via.bin.size};
    if (from.type == msgpack::type::STR) return {from.via.str.ptr, from.via.str.size};
    throw Mistyped{};
}
void unpack(const object& from, JobId& job) {
    std::string_view bytes = raw(from);
    if (bytes.size() != job.bytes.size()) throw Mistyped{};
    std::memcpy(job.bytes.data(), bytes.data(), bytes.size());
}
void unpack(const object& from, PeerId& peer) { peer.bytes = raw(from); }
void unpack(const object& from, std::string& text) { text = raw(from); }
void unpack(const object& from, Range& range) {
    if (from.type != msgpack::type::ARRAY || from.via.array.size < 2) throw Mistyped{};
    unpack(from.via.array.ptr[0], range.begin);
    unpack(from.via.array.ptr[1], range.end);
    if (range.empty()) throw Mistyped{};
}

template <HasFields T>
void unpack(const object& from, T& value);
template <class T>
void unpack(const object& from, std::optional<T>& value) {
    if (from.type == msgpack::type::NIL) value.reset();
    else unpack(from, value.emplace());
}
template <class T>
void unpack(const object& from, std::vector<T>& values) {
    if (from.type != msgpack::type::ARRAY) throw Mistyped{};
    values.clear();  // grows as elements prove to be what they should, not by the count that the sender claims
    for (std::uint32_t i = 0; i < from.via.array.size; ++i) unpack(from.via.array.ptr[i], values.emplace_back());
}
template <HasFields T>
void unpack_fields(const object* items, std::uint32_t count, T& value) {
    std::apply(
        [&](auto&... field) {
            std::uint32_t at = 0;
            ((at < count ? unpack(items[at++], field) : void()), ...);
        },
        T::fields(value));
}
template <HasFields T>
void unpack(const object& from, T& value) {
    if (from.type != msgpack::type::ARRAY) throw Mistyped{};
    unpack_fields(from.via.array.ptr, from.via.array.size, value);
}

template <std::size_t I = 0>
std::optional<Message> unpack_kind(std::uint8_t kind, const object* fields, std::uint32_t count) {
    if constexpr (I == std::variant_size_v<Message>) {
        return std::nullopt;
    } else {
        using T = std::variant_alternative_t<I, Message>;
        if (T::kind != kind) return unpack_kind<I + 1>(kind, fields, count);
        T message;
        if constexpr (std::is_same_v<T, Hello>) {
            if (count < 2) throw Mistyped{};
            unpack_fields(fields, 2, message);
            if (message.major != version_major) return message;
        }
        unpack_fields(fields, count, message);
        return message;
    }
}

void append_sized(std::string& body, std::string_view bytes, bool text) {
    auto size = bytes.size();
    auto number = [&](unsigned width) {
        for (unsigned i = width; i-- > 0;) body += static_cast<char>(size >> (8 * i));
    };
    if (text && size < 32) body += static_cast<char>(0xa0 | size);
    else if (size < 256) body += static_cast<char>(text ? 0xd9 : 0xc4), number(1);
    else if (size < 65536) body += static_cast<char>(text ? 0xda : 0xc5), number(2);
    else body += static_cast<char>(text ? 0xdb : 0xc6), number(4);
    body += bytes;
}

}  // namespace

std::string encode(const Message& message) {
    msgpack::sbuffer buffer(256);
    Packer out(buffer);
    std::visit(
        [&]<class T>(const T& m) {
            std::apply(
                [&](const auto&... field) {
                    out.pack_array(1 + sizeof...(field));
                    out.pack_uint8(T::kind);
                    (pack(out, field), ...);
                },
                T::fields(m));
        },
        message);
    return {buffer.data(), buffer.size()};
}

Result<Message> decode(std::string_view header) {
    if (header.size() > limits::header_bytes) return fail("a header of " + std::to_string(header.size()) + " bytes is past the limit");
    // The walk makes sure that no count in it promises more than the bytes that are there, before anything is allocated.
    if (!is_objects(header, 1)) return fail("not one whole MessagePack object");
    try {
        auto limit = limits::header_bytes;
        msgpack::unpack_limit within(limit, limit, limit, limit, limit, limits::nesting_depth);
        std::size_t used = 0;
        auto by_reference = [](msgpack::type::object_type, std::size_t, void*) { return true; };
        auto handle = msgpack::unpack(header.data(), header.size(), used, by_reference, nullptr, within);
        const object& top = handle.get();
        if (top.type != msgpack::type::ARRAY || top.via.array.size < 1) return fail("a header is an array [kind, …]");
        std::uint8_t kind = 0;
        unpack(top.via.array.ptr[0], kind);
        auto message = unpack_kind(kind, top.via.array.ptr + 1, top.via.array.size - 1);
        if (!message) return fail("unknown message kind " + std::to_string(kind));
        return *std::move(message);
    } catch (const Mistyped&) {
        return fail("a field has another type than the protocol says, or a value out of its range");
    } catch (const msgpack::unpack_error& error) {
        return fail(error.what());
    }
}

std::optional<std::size_t> objects_length(std::string_view bytes, std::uint64_t count) {
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t at = 0;
    std::uint64_t wanted = count;
    while (wanted > 0) {
        if (at >= bytes.size()) return std::nullopt;
        Opening opening = read_opening(data + at, bytes.size() - at);
        if (opening.length == 0 || opening.length > bytes.size() - at) return std::nullopt;
        at += opening.length;
        wanted += opening.children - 1;
        if (wanted > bytes.size() - at) return std::nullopt;  // each takes a byte at least
    }
    return at;
}

std::optional<std::size_t> object_length(std::string_view bytes) { return objects_length(bytes, 1); }

std::string pack_text(std::string_view text) {
    std::string body;
    append_text(body, text);
    return body;
}
std::string pack_bytes(std::string_view bytes) {
    std::string body;
    append_bytes(body, bytes);
    return body;
}
void append_text(std::string& body, std::string_view text) { append_sized(body, text, true); }
void append_bytes(std::string& body, std::string_view bytes) { append_sized(body, bytes, false); }
void append_nil(std::string& body) { body += static_cast<char>(0xc0); }
void append_array(std::string& body, std::uint32_t count) {
    if (count < 16) {
        body += static_cast<char>(0x90 | count);
        return;
    }
    body += static_cast<char>(0xdd);
    for (unsigned i = 4; i-- > 0;) body += static_cast<char>(count >> (8 * i));
}

std::optional<std::string_view> text_of(std::string_view object) {
    if (object_length(object) != object.size()) return std::nullopt;
    auto tag = static_cast<unsigned char>(object[0]);
    if (tag >= 0xa0 && tag <= 0xbf) return object.substr(1);
    // clang-format off
    switch (tag) {
        case 0xc4: case 0xd9: return object.substr(2);
        case 0xc5: case 0xda: return object.substr(3);
        case 0xc6: case 0xdb: return object.substr(5);
        default: return std::nullopt;
    }
    // clang-format on
}

std::optional<double> number_of(std::string_view object) {
    if (object_length(object) != object.size()) return std::nullopt;
    auto tag = static_cast<unsigned char>(object[0]);
    bool is_number = tag <= 0x7f || tag >= 0xe0 || (tag >= 0xca && tag <= 0xd3);
    if (!is_number) return std::nullopt;
    auto handle = msgpack::unpack(object.data(), object.size());
    double value = 0;
    switch (handle->type) {
        case msgpack::type::POSITIVE_INTEGER: value = static_cast<double>(handle->via.u64); break;
        case msgpack::type::NEGATIVE_INTEGER: value = static_cast<double>(handle->via.i64); break;
        case msgpack::type::FLOAT32:
        case msgpack::type::FLOAT64: value = handle->via.f64; break;
        default: return std::nullopt;
    }
    return value;
}

std::optional<std::vector<std::string_view>> elements_of(std::string_view object) {
    if (object_length(object) != object.size()) return std::nullopt;
    Opening opening = read_opening(reinterpret_cast<const unsigned char*>(object.data()), object.size());
    auto tag = static_cast<unsigned char>(object[0]);
    if (!(tag >= 0x90 && tag <= 0x9f) && tag != 0xdc && tag != 0xdd) return std::nullopt;
    std::vector<std::string_view> elements;
    object.remove_prefix(opening.length);
    for (std::uint64_t i = 0; i < opening.children; ++i) {
        std::size_t length = *object_length(object);
        elements.push_back(object.substr(0, length));
        object.remove_prefix(length);
    }
    return elements;
}

bool is_nil(std::string_view object) { return object == "\xc0"; }

const char* name_of(const Message& message) {
    static constexpr const char* names[] = {
        "Hello",  "Welcome",  "Refused",  "Heartbeat", "Bye",       "Block",   "Seal",      "Accepted", "Sealed",      "Cancel",
        "Watch",  "Located",  "Notice",   "Ended",     "Query",     "Report",  "Find",      "Found",    "Retry",       "Retried",
        "Adjust", "Adjusted", "Dispatch", "Done",      "Release",   "Drop",    "SendAgain", "Recall",   "Results",     "Assign",
        "Errors", "Gathered", "Propose",  "Forget",    "Forgotten", "Collect", "Values",    "Failures", "Acknowledge", "Concluded"};
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
