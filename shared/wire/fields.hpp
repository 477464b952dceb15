// Structs with `fields` to MessagePack arrays and back: what the codec of messages and the rows of
// the stores are made of. Included by the .cpp files that encode and decode, by no header. Pure
// functions, any thread.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <msgpack.hpp>
#include <string>
#include <string_view>
#include <type_traits>

#include "shared/base/limits.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::wire::fields {

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

inline void pack(Packer& out, bool value) { value ? out.pack_true() : out.pack_false(); }
// The packer looks for whole numbers, by a conversion that overflows at 2^64 and nowhere else.
inline void pack(Packer& out, double value) {
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

inline void pack_raw(Packer& out, const void* bytes, std::size_t size) {
    out.pack_bin(static_cast<std::uint32_t>(size));
    out.pack_bin_body(static_cast<const char*>(bytes), static_cast<std::uint32_t>(size));
}
inline void pack(Packer& out, const JobId& job) {
    pack_raw(out, job.bytes.data(), job.bytes.size());
}
inline void pack(Packer& out, const PeerId& peer) {
    pack_raw(out, peer.bytes.data(), peer.bytes.size());
}
inline void pack(Packer& out, const std::string& text) { pack_raw(out, text.data(), text.size()); }

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

inline void unpack(const object& from, bool& value) {
    if (from.type != msgpack::type::BOOLEAN) throw Mistyped{};
    value = from.via.boolean;
}
inline void unpack(const object& from, double& value) {
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
inline std::string_view raw(const object& from) {
    if (from.type == msgpack::type::BIN) return {from.via.bin.ptr, from.via.bin.size};
    if (from.type == msgpack::type::STR) return {from.via.str.ptr, from.via.str.size};
    throw Mistyped{};
}
inline void unpack(const object& from, JobId& job) {
    std::string_view bytes = raw(from);
    if (bytes.size() != job.bytes.size()) throw Mistyped{};
    std::memcpy(job.bytes.data(), bytes.data(), bytes.size());
}
inline void unpack(const object& from, PeerId& peer) { peer.bytes = raw(from); }
inline void unpack(const object& from, std::string& text) { text = raw(from); }
inline void unpack(const object& from, Range& range, Room&) {
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
inline void leave_out(const Range&) { throw Mistyped{}; }

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

/// Reads one whole array within the limits, calls `take(items, count)` and returns its Result.
template <class Take>
auto read_array(std::string_view bytes, Take take) -> decltype(take(nullptr, std::uint32_t{})) {
    if (bytes.size() > limits::header_bytes)
        return fail("a header of " + std::to_string(bytes.size()) + " bytes is past the limit");
    // The walk makes sure that no count in it promises more than the bytes that are there, before
    // anything is allocated.
    if (objects_length(bytes, 1, limits::header_objects) != bytes.size())
        return fail("not one whole MessagePack object, or one of more than " +
                    std::to_string(limits::header_objects) + " objects");
    try {
        auto limit = limits::header_bytes;
        msgpack::unpack_limit within(limit, limit, limit, limit, limit, limits::nesting_depth);
        std::size_t used = 0;
        auto by_reference = [](msgpack::type::object_type, std::size_t, void*) { return true; };
        auto handle =
            msgpack::unpack(bytes.data(), bytes.size(), used, by_reference, nullptr, within);
        const object& top = handle.get();
        if (top.type != msgpack::type::ARRAY) return fail("it is no array");
        return take(static_cast<const object*>(top.via.array.ptr), top.via.array.size);
    } catch (const Mistyped&) {
        return fail("a field has another type than the protocol says, or a value out of its range");
    } catch (const Oversized&) {
        return fail("the lists of a header are past the limit");
    } catch (const msgpack::unpack_error& error) {
        return fail(error.what());
    }
}

/// A struct that is no message, as an array of its fields: a row of a store.
template <HasFields T>
std::string encode_fields(const T& value) {
    msgpack::sbuffer buffer(256);
    Packer out(buffer);
    pack(out, value);
    return {buffer.data(), buffer.size()};
}
/// Reads it back. Fields are only ever appended: those that are missing keep their defaults.
template <HasFields T>
Result<T> decode_fields(std::string_view bytes) {
    return read_array(bytes, [](const object* items, std::uint32_t count) -> Result<T> {
        T value;
        Room room;
        unpack_fields(items, count, value, room);
        return value;
    });
}

}  // namespace fanfold::wire::fields
