#include "shared/wire/codec.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <msgpack.hpp>
#include <type_traits>

#include "shared/base/limits.hpp"

namespace fanfold::wire {

namespace {

// --- structs to MessagePack
// ------------------------------------------------------------------------------------

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
// The packer looks for whole numbers, by a conversion that overflows at 2^64 and nowhere else.
void pack(Packer& out, double value) {
    out.pack_double(value == 0x1p64 ? std::nextafter(value, 0x1p65) : value);
}
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

// --- MessagePack to structs
// ------------------------------------------------------------------------------------

using msgpack::object;

struct Mistyped {};   // thrown and caught within decode(),
struct Oversized {};  // as is this

/// What the elements of a header's lists may still take: a list of empty structs is far bigger in
/// memory than on the wire.
struct Room {
    std::size_t bytes = limits::decoded_bytes;
    void take(std::size_t size) {
        if (size > bytes) throw Oversized{};
        bytes -= size;
    }
};

void unpack(const object& from, bool& value) {
    if (from.type != msgpack::type::BOOLEAN) throw Mistyped{};
    value = from.via.boolean;
}
void unpack(const object& from, double& value) {
    if (from.type == msgpack::type::FLOAT64 || from.type == msgpack::type::FLOAT32)
        value = from.via.f64;
    else if (from.type == msgpack::type::POSITIVE_INTEGER)
        value = static_cast<double>(from.via.u64);
    else if (from.type == msgpack::type::NEGATIVE_INTEGER)
        value = static_cast<double>(from.via.i64);
    else throw Mistyped{};
}
template <IsInteger T>
void unpack(const object& from, T& value) {
    if (from.type == msgpack::type::POSITIVE_INTEGER &&
        from.via.u64 <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
        value = static_cast<T>(from.via.u64);
    else if (std::is_signed_v<T> && from.type == msgpack::type::NEGATIVE_INTEGER &&
             from.via.i64 >= static_cast<std::int64_t>(std::numeric_limits<T>::min()))
        value = static_cast<T>(from.via.i64);
    else throw Mistyped{};
}
/// The largest declared value of each enum; a value past it, or 0 where 0 is not declared, is
/// refused.
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
    if (count > most || count < -most)
        throw Mistyped{};  // so that arithmetic in nanoseconds can't overflow
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
void unpack(const object& from, Range& range, Room&) {
    if (from.type != msgpack::type::ARRAY || from.via.array.size < 2) throw Mistyped{};
    unpack(from.via.array.ptr[0], range.begin);
    unpack(from.via.array.ptr[1], range.end);
    if (range.empty()) throw Mistyped{};
}

/// Of what has no lists in it.
template <class T>
void unpack(const object& from, T& value, Room&) {
    unpack(from, value);
}
template <HasFields T>
void unpack(const object& from, T& value, Room& room);
template <class T>
void unpack(const object& from, std::optional<T>& value, Room& room) {
    if (from.type == msgpack::type::NIL) value.reset();
    else unpack(from, value.emplace(), room);
}
template <class T>
void unpack(const object& from, std::vector<T>& values, Room& room) {
    if (from.type != msgpack::type::ARRAY) throw Mistyped{};
    values.clear();  // grows as elements prove to be what they should, not by the count that the
                     // sender claims
    for (std::uint32_t i = 0; i < from.via.array.size; ++i) {
        room.take(sizeof(T));
        unpack(from.via.array.ptr[i], values.emplace_back(), room);
    }
}
/// A field that is not there keeps its default, but a range's is empty, which none may be.
template <class T>
void leave_out(const T&) {}
void leave_out(const Range&) { throw Mistyped{}; }

template <HasFields T>
void unpack_fields(const object* items, std::uint32_t count, T& value, Room& room) {
    std::apply(
        [&](auto&... field) {
            std::uint32_t at = 0;
            ((at < count ? unpack(items[at++], field, room) : leave_out(field)), ...);
        },
        T::fields(value));
}
template <HasFields T>
void unpack(const object& from, T& value, Room& room) {
    if (from.type != msgpack::type::ARRAY) throw Mistyped{};
    unpack_fields(from.via.array.ptr, from.via.array.size, value, room);
}

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
    if (header.size() > limits::header_bytes)
        return fail("a header of " + std::to_string(header.size()) + " bytes is past the limit");
    // The walk makes sure that no count in it promises more than the bytes that are there, before
    // anything is allocated.
    if (objects_length(header, 1, limits::header_objects) != header.size())
        return fail("not one whole MessagePack object, or one of more than " +
                    std::to_string(limits::header_objects) + " objects");
    try {
        auto limit = limits::header_bytes;
        msgpack::unpack_limit within(limit, limit, limit, limit, limit, limits::nesting_depth);
        std::size_t used = 0;
        auto by_reference = [](msgpack::type::object_type, std::size_t, void*) { return true; };
        auto handle =
            msgpack::unpack(header.data(), header.size(), used, by_reference, nullptr, within);
        const object& top = handle.get();
        if (top.type != msgpack::type::ARRAY || top.via.array.size < 1)
            return fail("a header is an array [kind, …]");
        std::uint8_t kind = 0;
        unpack(top.via.array.ptr[0], kind);
        return take(kind, static_cast<const object*>(top.via.array.ptr + 1),
                    top.via.array.size - 1);
    } catch (const Mistyped&) {
        return fail("a field has another type than the protocol says, or a value out of its range");
    } catch (const Oversized&) {
        return fail("the lists of a header are past the limit");
    } catch (const msgpack::unpack_error& error) {
        return fail(error.what());
    }
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
