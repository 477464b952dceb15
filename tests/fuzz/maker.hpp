// Messages from a fuzzer's bytes. Ids, names and indices come from small pools, so that messages
// meet; a message is made by its `fields`, so a new one, or a new field, is fuzzed without a word
// here. A zero byte gives a field the plainest value.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "shared/events/events.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/fields.hpp"
#include "tests/fuzz/bytes.hpp"

namespace fanfold::fuzz {

inline constexpr std::size_t job_pool = 4;

inline JobId job_number(std::size_t number) {
    JobId job;
    job.bytes[0] = static_cast<std::uint8_t>(number + 1);
    return job;
}

/// Routing ids by the role that usually has them.
inline constexpr const char* peer_pool[] = {"c0", "c1", "w0", "w1", "w2", "g0", "g1", "W3", ""};

inline std::string name_of_user(std::size_t number) {
    static constexpr const char* users[] = {"", "ada", "ben"};
    return users[number % std::size(users)];
}

class Maker {
public:
    explicit Maker(Bytes& bytes) : bytes_(bytes) {}

    template <class T>
    T make() {
        T value{};
        fill(value);
        return value;
    }

    /// Any message. It has passed the codec, as all that a core is told has; nothing for one that
    /// the codec refuses.
    std::optional<wire::Message> message() {
        return message_of(bytes_.below(std::variant_size_v<wire::Message>));
    }
    /// By its place in wire::Message.
    std::optional<wire::Message> message_of(std::size_t index) {
        auto decoded = wire::decode(wire::encode(raw_message_of(index)));
        return decoded ? std::optional(*std::move(decoded)) : std::nullopt;
    }
    wire::Message raw_message_of(std::size_t index) {
        return of_index(index, std::make_index_sequence<std::variant_size_v<wire::Message>>());
    }

    JobId job() { return job_number(bytes_.below(job_pool)); }
    PeerId peer() { return {bytes_.pick(peer_pool)}; }
    Sender sender() {
        std::uint8_t which = bytes_.byte();
        if (which < 128) return {};
        return {.user = name_of_user(which),
                .roles = {static_cast<std::uint8_t>(which / 8 % 16)},
                .public_key = name_of_user(which)};
    }
    /// `count` MessagePack objects; sometimes fewer, more, or none at all.
    Slice objects(std::uint64_t count) {
        std::string body;
        std::uint8_t flaw = bytes_.byte();
        if (flaw == 255) return Slice::copy(bytes_.text(64));
        if (flaw == 254) ++count;
        if (flaw == 253 && count > 0) --count;
        std::size_t size = flaw % 64 * (flaw >= 192 ? 100 : 1);
        for (std::uint64_t i = 0; i < count && i < 200; ++i)
            wire::append_text(body, std::string(size, 'x'));
        return Slice::take(std::move(body));
    }
    /// What a message of this kind is sent with, or any bytes.
    Slice body_of(const wire::Message& message) {
        return std::visit(
            [&](const auto& known) {
                if constexpr (requires {
                                  known.count;
                                  known.first;
                              })
                    return objects(known.count);
                else if constexpr (requires { known.failures; })
                    return Slice::copy(bytes_.text(64));
                else return Slice();
            },
            message);
    }

private:
    template <std::size_t... i>
    wire::Message of_index(std::size_t index, std::index_sequence<i...>) {
        static constexpr wire::Message (*make_one[])(Maker&) = {[](Maker& maker) -> wire::Message {
            return maker.make<std::variant_alternative_t<i, wire::Message>>();
        }...};
        return make_one[index](*this);
    }

    template <class T>
    requires requires { T::fields; }
    void fill(T& value) {
        [&]<std::size_t... i>(std::index_sequence<i...>) {
            auto all = T::fields(value);
            (fill_within(std::get<i>(all), wire::fields::bound_of<T, i>()), ...);
        }
        (std::make_index_sequence<wire::fields::field_count<T>>());
    }
    template <class T>
    void fill_within(T& value, const wire::Bound& bound) {
        fill(value);
        if constexpr (std::is_same_v<T, std::string>) {
            bool exactly = bound.rule == wire::Bound::Rule::exactly && !value.empty();
            if (exactly || value.size() > bound.bytes) value.resize(bound.bytes, '=');
        }
    }
    template <class T>
    requires std::is_integral_v<T>
    void fill(T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            value = bytes_.flag();
        } else {
            value = static_cast<T>(bytes_.number());
        }
    }
    template <class T>
    requires std::is_enum_v<T>
    void fill(T& value) {
        // More than any has: the codec refuses what is not declared.
        std::size_t number = bytes_.below(10);
        value = static_cast<T>(number == 0 ? static_cast<std::size_t>(value) : number);
        if (value == T{} && !std::is_same_v<T, wire::Outcome>) value = static_cast<T>(1);
    }
    template <class T>
    requires requires { typename T::period; }
    void fill(T& value) {
        static constexpr std::int64_t counts[] = {
            0, 1, 10, 100, 500, 2000, 10'000, 3'600'000, 3'153'600'000'000, -1, -3'153'600'000'000};
        value = T(bytes_.pick(counts));
    }
    void fill(double& value) {
        static constexpr double doubles[] = {1,
                                             0,
                                             0.5,
                                             2,
                                             50,
                                             100,
                                             1e-300,
                                             1e300,
                                             -1,
                                             std::numeric_limits<double>::infinity(),
                                             std::numeric_limits<double>::quiet_NaN()};
        value = bytes_.pick(doubles);
    }
    void fill(JobId& value) { value = job(); }
    void fill(PeerId& value) { value = peer(); }
    void fill(Epoch& value) { value = {.number = bytes_.below(3), .incarnation = bytes_.below(3)}; }
    void fill(std::string& value) {
        static constexpr const char* words[] = {"f",     "",    "g",           "gatherer",
                                                "other", "key", "gpu",         "memory",
                                                "last",  "01",  "fanfold.exec"};
        std::uint8_t which = bytes_.byte();
        value = which < 240 ? std::string(words[which % std::size(words)])
                            : std::string(bytes_.text(which < 255 ? 16 : 200));
    }
    void fill(Range& value) {
        value.begin = bytes_.number();
        std::uint64_t length = bytes_.number();
        value.end =
            value.begin +
            (length == 0 ? 1 : length);  // one that is empty by overflow, too: the codec refuses it
    }
    template <class T>
    void fill(std::optional<T>& value) {
        if (bytes_.flag()) fill(value.emplace());
    }
    template <class T>
    void fill(std::vector<T>& values) {
        std::size_t count = bytes_.below(5);
        for (std::size_t i = 0; i < count; ++i) fill(values.emplace_back());
    }

    Bytes& bytes_;
};

}  // namespace fanfold::fuzz
