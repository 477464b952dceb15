// Messages to bytes and back. The one place that knows MessagePack's bytes. Pure functions, any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::wire {

/// The header frame of a message.
std::string encode(const Message& message);

/// The one job that the message is about, if it is about one.
std::optional<JobId> job_of(const Message& message);

/// Reads a header frame: an Error for anything that is not one whole, known, well-typed message
/// within the limits. A Hello of another major version is returned with its two version numbers and
/// nothing else.
Result<Message> decode(std::string_view header);

/// Around a message whose body travels compressed: that message's header, and the bytes of its body
/// as it was. No Message: a receiver unwraps it before anybody sees it.
struct Packed {
    static constexpr std::uint8_t kind = 6;
    std::uint64_t raw_bytes = 0;
    std::string header{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.raw_bytes, m.header); };
};
std::string encode(const Packed& packed);
/// Reads a header frame, if it is of this kind; nothing for any other.
std::optional<Result<Packed>> decode_packed(std::string_view header);

/// The byte length of the first `count` objects of `bytes`; nothing if there are fewer, or one is
/// cut off or not MessagePack. Nothing, too, where they have more than `within` objects inside.
/// Walks without recursion and allocates nothing: safe on any input.
std::optional<std::size_t> objects_length(std::string_view bytes, std::uint64_t count,
                                          std::uint64_t within = UINT64_MAX);

/// The same of the one object at the start of `bytes`. Short texts and small numbers are known by
/// their first byte.
inline std::optional<std::size_t> object_length(std::string_view bytes) {
    if (bytes.empty()) return std::nullopt;
    auto tag = static_cast<unsigned char>(bytes[0]);
    if (tag <= 0x7f || tag >= 0xe0) return 1;
    if (tag < 0xa0 || tag > 0xbf) return objects_length(bytes, 1);
    std::size_t length = 1u + (tag & 0x1fu);
    return length <= bytes.size() ? std::optional(length) : std::nullopt;
}

/// Whether `bytes` is exactly `count` objects back to back.
inline bool is_objects(std::string_view bytes, std::uint64_t count) {
    return objects_length(bytes, count) == bytes.size();
}

// Single payloads and values that the system itself makes or reads. Anything else is the user's own
// business.
std::string pack_text(std::string_view text);    // MessagePack str
std::string pack_bytes(std::string_view bytes);  // MessagePack bin
void append_text(std::string& body, std::string_view text);
void append_bytes(std::string& body, std::string_view bytes);
void append_nil(std::string& body);
void append_array(std::string& body, std::uint32_t count);

/// The text or bytes of an object that is a str or a bin; nothing for any other.
std::optional<std::string_view> text_of(std::string_view object);
/// The number of an object that is an integer or a float; nothing for any other.
std::optional<double> number_of(std::string_view object);
/// The elements of an array object, each as its bytes; nothing for any other object.
std::optional<std::vector<std::string_view>> elements_of(std::string_view object);
/// Whether the object is nil.
bool is_nil(std::string_view object);

}  // namespace fanfold::wire
