// Values on their way: any type that msgpack-cxx can convert is a payload or a result,
// std::string_view among them. Define MSGPACK_NO_BOOST alike in all of a program's translation
// units (the CMake package does).
#pragma once

#ifndef MSGPACK_NO_BOOST
#define MSGPACK_NO_BOOST
#endif

#include <cstddef>
#include <msgpack.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "fanfold/tags.hpp"

namespace fanfold {

/// A value that can't be read as the type that was asked for.
struct ConversionError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

namespace detail {

inline constexpr std::size_t value_depth = 256;  // of nested arrays and maps

/// Lets msgpack::packer append to a std::string.
struct StringSink {
    std::string& bytes;
    void write(const char* data, std::size_t size) { bytes.append(data, size); }
};

/// What the texts of errors call the value, and that which it should fit.
struct Wording {
    const char* value = "the value";
    const char* wanted = "the type that was asked for";
};

/// Reads the one object of `bytes`. Texts and bytes in the result point into it, arrays and maps
/// live in the zone. No count in `bytes` makes it allocate more than in proportion to their size.
/// Throws ConversionError.
inline msgpack::object read_object(std::string_view bytes, msgpack::zone& zone,
                                   const Wording& wording) {
    auto by_reference = [](msgpack::type::object_type, std::size_t, void*) { return true; };
    auto size = bytes.size();
    std::size_t used = 0;
    try {
        auto object =
            msgpack::unpack(zone, bytes.data(), size, used, by_reference, nullptr,
                            msgpack::unpack_limit(size, size, size, size, size, value_depth));
        if (used != size)
            throw ConversionError(std::string(wording.value) +
                                  " is more than one MessagePack object");
        return object;
    } catch (const msgpack::unpack_error& error) {
        throw ConversionError(std::string(wording.value) + " can't be read: " + error.what());
    }
}

/// The short way for the commonest of all: whether `bytes` is exactly one text or one run of bytes,
/// which is then in `content`.
inline bool read_content(std::string_view bytes, std::string_view& content) {
    const tags::Head head = tags::read(bytes);
    if (!head.is_content() || head.length != bytes.size()) return false;
    content = head.content(bytes);
    return true;
}

inline const char* name_of(msgpack::type::object_type type) {
    switch (type) {
        case msgpack::type::NIL: return "nil";
        case msgpack::type::BOOLEAN: return "a boolean";
        case msgpack::type::POSITIVE_INTEGER:
        case msgpack::type::NEGATIVE_INTEGER: return "an integer";
        case msgpack::type::FLOAT32:
        case msgpack::type::FLOAT64: return "a number";
        case msgpack::type::STR: return "text";
        case msgpack::type::BIN: return "bytes";
        case msgpack::type::ARRAY: return "an array";
        case msgpack::type::MAP: return "a map";
        case msgpack::type::EXT: return "an extension";
    }
    return "something else";
}

/// Reads the one object of `bytes` as a T, which may point into `bytes` and the zone. Throws
/// ConversionError.
template <class T>
T read_value(std::string_view bytes, msgpack::zone& zone, const Wording& wording) {
    if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, std::string>) {
        if (std::string_view content; read_content(bytes, content)) return T(content);
    }
    msgpack::object object = read_object(bytes, zone, wording);
    if constexpr (std::is_same_v<T, msgpack::object>) {
        return object;
    } else {
        try {
            if constexpr (std::is_default_constructible_v<T>) {
                T value{};
                object.convert(value);
                return value;
            } else {
                return object.as<T>();
            }
        } catch (const msgpack::type_error&) {
            throw ConversionError(std::string(wording.value) + " does not fit " + wording.wanted +
                                  ": it is " + name_of(object.type) +
                                  ", or a part of it has another type than is wanted");
        }
    }
}

}  // namespace detail

/// Appends the value as one MessagePack object.
template <class T>
void append_packed(std::string& bytes, const T& value) {
    detail::StringSink sink{bytes};
    msgpack::packer<detail::StringSink> packer(sink);
    packer.pack(value);
}

/// Reads one MessagePack object as a T that owns what it holds, but that a std::string_view points
/// into `object`. Throws ConversionError.
template <class T>
T unpack_as(std::string_view object) {
    msgpack::zone zone;
    return detail::read_value<T>(object, zone, {});
}

}  // namespace fanfold
