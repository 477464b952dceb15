// Structs to MessagePack and back, by their `fields` and `bounds`: messages, and the rows of
// stores. A struct travels as the array of its fields. Fields behind those that are known are
// passed over; one that is not there keeps its default. Pure functions, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/limits.hpp"
#include "shared/base/range_set.hpp"
#include "shared/base/result.hpp"
#include "shared/base/text.hpp"
#include "shared/wire/bounds.hpp"
#include "shared/wire/objects.hpp"

namespace fanfold::wire::fields {

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

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;
/// A field that has a Bound.
template <class T>
concept IsBounded = std::is_same_v<T, std::string> || std::is_same_v<T, PeerId> || is_list<T>;

template <HasFields T>
using FieldsOf = decltype(T::fields(std::declval<T&>()));
template <HasFields T>
inline constexpr std::size_t field_count = std::tuple_size_v<FieldsOf<T>>;
template <HasFields T, std::size_t i>
using FieldType = std::remove_cvref_t<std::tuple_element_t<i, FieldsOf<T>>>;

/// The bounded ones among the first `count` fields.
template <HasFields T, std::size_t count>
constexpr std::size_t bounded_fields() {
    return []<std::size_t... i>(std::index_sequence<i...>) {
        return (std::size_t{0} + ... + std::size_t{IsBounded<FieldType<T, i>>});
    }
    (std::make_index_sequence<count>());
}

/// Whether each of its own texts and lists has a Bound.
template <HasFields T>
constexpr bool is_bounded() {
    if constexpr (bounded_fields<T, field_count<T>>() == 0) return true;
    else if constexpr (requires { T::bounds; })
        return std::size(T::bounds) == bounded_fields<T, field_count<T>>();
    else return false;
}

/// The Bound of field number i. A struct without `bounds`, a row, has none.
template <HasFields T, std::size_t i>
constexpr Bound bound_of() {
    if constexpr (!IsBounded<FieldType<T, i>>) {
        return {};
    } else if constexpr (requires { T::bounds; }) {
        static_assert(is_bounded<T>(), "one for each text and list, in the order of `fields`");
        return T::bounds[bounded_fields<T, i>()];
    } else {
        return {.bytes = limits::header_bytes, .count = limits::header_objects};
    }
}

/// The same, without a copy for each field that is written or read.
template <HasFields T, std::size_t i>
inline constexpr Bound bound_at = bound_of<T, i>();

/// Whether it and all that it holds are bounded.
template <class T>
inline constexpr bool bounded_throughout = true;
template <class T>
inline constexpr bool bounded_throughout<std::vector<T>> = bounded_throughout<T>;
template <class T>
inline constexpr bool bounded_throughout<std::optional<T>> = bounded_throughout<T>;
template <HasFields T>
inline constexpr bool bounded_throughout<T> = []<std::size_t... i>(std::index_sequence<i...>) {
    return is_bounded<T>() && (bounded_throughout<FieldType<T, i>> && ...);
}
(std::make_index_sequence<field_count<T>>());

/// The numbers that an enum's values have, from first_of to last_of. An enum that travels has a
/// last_of beside it.
template <IsEnum T>
constexpr unsigned first_of(T) {
    return 1;
}

// --- writing

inline constexpr std::size_t reserved_bytes = 128;  // most messages and rows fit

inline void write(std::string& out, bool value, const Bound&) { append_bool(out, value); }
inline void write(std::string& out, double value, const Bound&) { append_real(out, value); }
template <IsInteger T>
void write(std::string& out, T value, const Bound&) {
    if constexpr (std::is_signed_v<T>) append_integer(out, value);
    else append_natural(out, value);
}
template <IsEnum T>
void write(std::string& out, T value, const Bound&) {
    append_natural(out, static_cast<std::uint64_t>(value));
}
template <IsDuration T>
void write(std::string& out, T value, const Bound&) {
    append_integer(out, value.count());
}
inline void write(std::string& out, const JobId& job, const Bound&) {
    append_bytes(out, {reinterpret_cast<const char*>(job.bytes.data()), job.bytes.size()});
}
inline void write(std::string& out, const PeerId& peer, const Bound&) {
    append_bytes(out, peer.bytes);
}
inline void write(std::string& out, const std::string& text, const Bound& bound) {
    bool cut = bound.rule == Bound::Rule::cut;
    append_bytes(out, cut ? cut_between_characters(text, bound.bytes) : std::string_view(text));
}
template <HasFields T>
void write(std::string& out, const T& value, const Bound& = {});
template <class T>
void write(std::string& out, const std::optional<T>& value, const Bound& bound) {
    if (value) write(out, *value, bound);
    else append_nil(out);
}
template <class T>
void write(std::string& out, const std::vector<T>& values, const Bound& bound) {
    append_array(out, values.size());
    for (const T& value : values) write(out, value, bound);
}
template <HasFields T>
void write_fields(std::string& out, const T& value) {
    [&]<std::size_t... i>(std::index_sequence<i...>) {
        auto fields = T::fields(value);
        (write(out, std::get<i>(fields), bound_at<T, i>), ...);
    }
    (std::make_index_sequence<field_count<T>>());
}
template <HasFields T>
void write(std::string& out, const T& value, const Bound&) {
    append_array(out, field_count<T>);
    write_fields(out, value);
}

// --- reading

/// What is left of bytes that are known to be whole objects, and why they can't be read.
class Reader {
public:
    explicit Reader(std::string_view bytes) : left_(bytes) {}

    /// The next object's head; its children come next.
    tags::Head next() {
        const tags::Head head = tags::read(left_);
        left_.remove_prefix(head.length);
        return head;
    }
    /// The next object's text or bytes.
    std::optional<std::string_view> content() {
        const tags::Head head = tags::read(left_);
        if (!head.is_content()) return std::nullopt;
        std::string_view found = head.content(left_);
        left_.remove_prefix(head.length);
        return found;
    }
    bool skip_nil() {
        if (tags::read(left_).kind != tags::Kind::nil) return false;
        left_.remove_prefix(1);
        return true;
    }
    void skip(std::uint64_t objects) {
        left_.remove_prefix(objects_length(left_, objects).value_or(left_.size()));
    }
    /// What the elements of all lists may still take: a list of empty structs is far bigger in
    /// memory than in bytes.
    bool take_room(std::size_t bytes) {
        if (bytes > room_) return refuse("the lists of a header are past the limit");
        room_ -= bytes;
        return true;
    }
    /// The first reason counts. Returns false.
    bool refuse(std::string why) {
        if (why_.empty()) why_ = std::move(why);
        return false;
    }
    bool mistyped() {
        return refuse(
            "a field has another type than the protocol says, or a value out of its range");
    }
    bool refuse_size(const Bound& bound, std::size_t size, std::size_t most, const char* unit) {
        std::string rest =
            bound.rule == Bound::Rule::exactly ? " is what it has, or none" : " is the most";
        return refuse(std::string(bound.field) + " has " + std::to_string(size) + " " + unit +
                      ", " + std::to_string(most) + rest);
    }
    const std::string& why() const { return why_; }

private:
    std::string_view left_;
    std::size_t room_ = limits::decoded_bytes;
    std::string why_;
};

inline bool read(Reader& from, bool& value, const Bound&) {
    const tags::Head head = from.next();
    value = head.number != 0;
    return head.kind == tags::Kind::boolean || from.mistyped();
}
inline bool read(Reader& from, double& value, const Bound&) {
    auto number = from.next().as_real();
    value = number.value_or(0);
    return number || from.mistyped();
}
template <IsInteger T>
bool read(Reader& from, T& value, const Bound&) {
    const tags::Head head = from.next();
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    constexpr auto least = static_cast<std::int64_t>(std::numeric_limits<T>::min());
    bool fits = head.kind == tags::Kind::natural
                    ? head.number <= most
                    : head.kind == tags::Kind::negative && std::is_signed_v<T> &&
                          static_cast<std::int64_t>(head.number) >= least;
    value = static_cast<T>(head.number);
    return fits || from.mistyped();
}
template <IsEnum T>
bool read(Reader& from, T& value, const Bound& bound) {
    std::underlying_type_t<T> number{};
    if (!read(from, number, bound)) return false;
    value = static_cast<T>(number);
    return (number >= first_of(T{}) && number <= last_of(T{})) || from.mistyped();
}
template <IsDuration T>
bool read(Reader& from, T& value, const Bound& bound) {
    typename T::rep count{};
    if (!read(from, count, bound)) return false;
    // So that arithmetic in nanoseconds can't overflow.
    constexpr auto most = std::chrono::duration_cast<T>(std::chrono::hours(24 * 365 * 100)).count();
    value = T(count);
    return (count <= most && count >= -most) || from.mistyped();
}
inline bool read(Reader& from, JobId& job, const Bound&) {
    auto bytes = from.content();
    if (!bytes || bytes->size() != job.bytes.size()) return from.mistyped();
    std::memcpy(job.bytes.data(), bytes->data(), bytes->size());
    return true;
}
inline bool read(Reader& from, std::string& text, const Bound& bound) {
    auto bytes = from.content();
    if (!bytes) return from.mistyped();
    bool fits = bound.rule == Bound::Rule::exactly ? bytes->empty() || bytes->size() == bound.bytes
                                                   : bytes->size() <= bound.bytes;
    if (!fits) return from.refuse_size(bound, bytes->size(), bound.bytes, "bytes");
    text = *bytes;
    return true;
}
inline bool read(Reader& from, PeerId& peer, const Bound& bound) {
    return read(from, peer.bytes, bound);
}
template <HasFields T>
bool read(Reader& from, T& value, const Bound& = {});
template <class T>
bool read(Reader& from, std::optional<T>& value, const Bound& bound) {
    if (!from.skip_nil()) return read(from, value.emplace(), bound);
    value.reset();
    return true;
}
template <class T>
bool read(Reader& from, std::vector<T>& values, const Bound& bound) {
    const tags::Head head = from.next();
    if (head.kind != tags::Kind::array) return from.mistyped();
    values.clear();  // grows as elements prove to be what they should, not by the count that the
                     // sender claims
    for (std::uint64_t i = 0; i < head.number; ++i) {
        if (!from.take_room(sizeof(T))) return false;
        if (i == bound.count) return from.refuse_size(bound, head.number, bound.count, "entries");
        if (!read(from, values.emplace_back(), bound)) return false;
    }
    return true;
}
/// A field that is not there keeps its default, but a range's is empty, which none may be.
template <class T>
inline constexpr bool may_be_missing = !std::is_same_v<T, Range>;

/// Of an array of so many objects.
template <HasFields T>
bool read_fields(Reader& from, std::uint64_t count, T& value) {
    bool sound = [&]<std::size_t... i>(std::index_sequence<i...>) {
        auto fields = T::fields(value);
        return ((i < count ? read(from, std::get<i>(fields), bound_at<T, i>)
                           : may_be_missing<FieldType<T, i>> || from.mistyped()) &&
                ...);
    }
    (std::make_index_sequence<field_count<T>>());
    if (sound && count > field_count<T>) from.skip(count - field_count<T>);
    if constexpr (std::is_same_v<T, Range>) return (sound && !value.empty()) || from.mistyped();
    return sound;
}
template <HasFields T>
bool read(Reader& from, T& value, const Bound&) {
    const tags::Head head = from.next();
    if (head.kind != tags::Kind::array) return from.mistyped();
    return read_fields(from, head.number, value);
}

// --- whole

/// Why bytes are not one whole object within the limits of a header; empty: they are. The walk
/// makes sure that no count in it promises more than the bytes that are there, before anything is
/// allocated.
inline std::string why_unsound(std::string_view bytes) {
    if (bytes.size() > limits::header_bytes)
        return "a header of " + std::to_string(bytes.size()) + " bytes is past the limit";
    if (objects_length(bytes, 1, limits::header_objects) != bytes.size())
        return "not one whole MessagePack object, or one of more than " +
               std::to_string(limits::header_objects) + " objects";
    return {};
}

/// A struct that is no message: a row of a store. Aborts for one that could not be read back: no
/// accepted message makes one.
template <HasFields T>
std::string encode_fields(const T& value) {
    std::string bytes;
    bytes.reserve(reserved_bytes);
    write(bytes, value);
    FANFOLD_CHECK(bytes.size() <= limits::header_bytes);
    return bytes;
}

/// Reads it back. Fields are only ever appended: those that are missing keep their defaults.
template <HasFields T>
Result<T> decode_fields(std::string_view bytes) {
    if (std::string why = why_unsound(bytes); !why.empty()) return fail(std::move(why));
    T value{};
    Reader reader(bytes);
    if (!read(reader, value)) return fail(reader.why());
    return value;
}

/// Why a receiver would refuse the struct; empty: it would not.
template <HasFields T>
std::string why_refused(const T& value) {
    std::string bytes;
    write(bytes, value);
    auto read = decode_fields<T>(bytes);
    return read ? std::string() : read.error().text;
}

}  // namespace fanfold::wire::fields
