#include "shared/wire/codec.hpp"

#include <algorithm>

#include "shared/wire/fields.hpp"

namespace fanfold::wire {

namespace {

using namespace fields;

template <class... T>
constexpr bool bounded(const std::variant<T...>*) {
    return (bounded_throughout<T> && ...);
}
static_assert(bounded(static_cast<Message*>(nullptr)),
              "each text and list of what comes in has a limit");

template <class T>
std::string encode_header(const T& message) {
    std::string header;
    header.reserve(reserved_bytes);
    append_array(header, 1 + field_count<T>);
    append_natural(header, T::kind);
    write_fields(header, message);
    return header;
}

/// A version that is not there is 0. Of another major version nothing but the two numbers is read.
bool read_message(Reader& from, std::uint64_t count, Hello& hello) {
    hello.major = hello.minor = 0;
    Reader versions = from;
    if (!read_fields(versions, std::min<std::uint64_t>(count, 2), hello)) return from.mistyped();
    if (hello.major == version_major) return read_fields(from, count, hello);
    from.skip(count);
    return true;
}
template <class T>
bool read_message(Reader& from, std::uint64_t count, T& message) {
    return read_fields(from, count, message);
}

/// Brokers before version 1.5 had no code of its own for a connection that they do not know.
void normalise(Refused& refused) {
    if (refused.code == RefusalCode::malformed && !refused.job && refused.text == "say Hello first")
        refused.code = RefusalCode::unknown_session;
}

template <std::size_t i = 0>
Result<Message> read_kind(std::uint64_t kind, std::uint64_t count, Reader& from) {
    if constexpr (i == std::variant_size_v<Message>) {
        return fail("unknown message kind " + std::to_string(kind));
    } else {
        using T = std::variant_alternative_t<i, Message>;
        if (T::kind != kind) return read_kind<i + 1>(kind, count, from);
        Message message(std::in_place_index<i>);
        if (!read_message(from, count, std::get<i>(message)))
            return fail(std::string(name_of(message)) + ": " + from.why());
        if constexpr (std::is_same_v<T, Refused>) normalise(std::get<i>(message));
        return message;
    }
}

/// What a header says first. Nothing of it was checked but what is here.
struct Opening {
    std::uint64_t kind = 0;
    std::uint64_t fields = 0;
    Reader rest;
};
std::optional<Opening> read_opening(std::string_view header) {
    Reader reader(header);
    const tags::Head array = reader.next();
    if (array.kind != tags::Kind::array || array.number == 0) return std::nullopt;
    const tags::Head kind = reader.next();
    if (kind.kind != tags::Kind::natural) return std::nullopt;
    return Opening{.kind = kind.number, .fields = array.number - 1, .rest = reader};
}

/// What wraps a message, if the header is of that kind.
template <class T>
std::optional<Result<T>> decode_wrapper(std::string_view header) {
    auto opening = read_opening(header);
    if (!opening || opening->kind != T::kind) return std::nullopt;
    if (std::string why = why_unsound(header); !why.empty()) return fail(std::move(why));
    T wrapper;
    if (!read_fields(opening->rest, opening->fields, wrapper)) return fail(opening->rest.why());
    return wrapper;
}

}  // namespace

std::string encode(const Message& message) {
    return std::visit([](const auto& m) { return encode_header(m); }, message);
}

std::string encode(const Packed& packed) { return encode_header(packed); }
std::string encode(const Part& part) { return encode_header(part); }

Result<Message> decode(std::string_view header) {
    if (std::string why = why_unsound(header); !why.empty()) return fail(std::move(why));
    auto opening = read_opening(header);
    if (!opening) return fail("a header is an array [kind, …]");
    return read_kind(opening->kind, opening->fields, opening->rest);
}

std::optional<Result<Packed>> decode_packed(std::string_view header) {
    return decode_wrapper<Packed>(header);
}

std::optional<Result<Part>> decode_part(std::string_view header) {
    return decode_wrapper<Part>(header);
}

}  // namespace fanfold::wire
