// Objects of MessagePack as bytes: how long they are, and single values that the system itself
// makes or reads. Anything else in a payload is the user's own business. Pure functions, any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fanfold/tags.hpp"

namespace fanfold::wire {

/// The byte length of the first `count` objects of `bytes`; nothing if there are fewer, or one is
/// cut off or not MessagePack. Nothing, too, where they have more than `within` objects inside.
/// Walks without recursion and allocates nothing: safe on any input.
std::optional<std::size_t> objects_length(std::string_view bytes, std::uint64_t count,
                                          std::uint64_t within = UINT64_MAX);

/// The same of the one object at the start of `bytes`.
inline std::optional<std::size_t> object_length(std::string_view bytes) {
    const tags::Head head = tags::read(bytes);
    if (head.kind == tags::Kind::none) return std::nullopt;
    return head.children() == 0 ? std::optional(head.length) : objects_length(bytes, 1);
}

/// Whether `bytes` is exactly `count` objects back to back.
inline bool is_objects(std::string_view bytes, std::uint64_t count) {
    return objects_length(bytes, count) == bytes.size();
}

std::string pack_text(std::string_view text);    // MessagePack str
std::string pack_bytes(std::string_view bytes);  // MessagePack bin
void append_text(std::string& body, std::string_view text);
void append_bytes(std::string& body, std::string_view bytes);
void append_nil(std::string& body);
void append_bool(std::string& body, bool value);
/// In the shortest encoding.
void append_natural(std::string& body, std::uint64_t value);
void append_integer(std::string& body, std::int64_t value);
/// A whole number travels as an integer, where it is one of 64 bits.
void append_real(std::string& body, double value);
void append_array(std::string& body, std::size_t count);

/// The text or bytes of an object that is a str or a bin; nothing for any other.
std::optional<std::string_view> text_of(std::string_view object);
/// The number of an object that is an integer or a float; nothing for any other.
std::optional<double> number_of(std::string_view object);
/// The elements of an array object, each as its bytes; nothing for any other object.
std::optional<std::vector<std::string_view>> elements_of(std::string_view object);
/// Whether the object is nil.
bool is_nil(std::string_view object);

}  // namespace fanfold::wire
