// Messages of every kind, made field by field: each comes back as it was, with the fields of a
// later minor version behind it, and without those that an earlier one had not.
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"
#include "tests/fuzz/maker.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;

std::string array_of(const std::vector<std::string_view>& elements) {
    std::string header;
    wire::append_array(header, static_cast<std::uint32_t>(elements.size()));
    for (std::string_view element : elements) header += element;
    return header;
}
}  // namespace

FANFOLD_FUZZ_TARGET(messages) {
    fuzz::Bytes bytes(data, size);
    fuzz::Maker maker(bytes);
    const auto message = maker.message();
    if (!message) return;
    const std::string once = wire::encode(*message);
    const auto again = wire::decode(once);
    FANFOLD_CHECK(again && again->index() == message->index());
    FANFOLD_CHECK(wire::encode(*again) == once);
    FANFOLD_CHECK(*wire::name_of(*again) != '\0');
    FANFOLD_CHECK(wire::job_of(*again) == wire::job_of(*message));

    auto elements = wire::elements_of(once);
    FANFOLD_CHECK(elements && !elements->empty());
    std::vector<std::string_view> later = *elements;
    later.push_back(bytes.flag() ? "\xc0" : "\x92\x01\xa1x");  // nil, or [1, "x"]
    const auto of_later = wire::decode(array_of(later));
    FANFOLD_CHECK(of_later && wire::encode(*of_later) == once);

    elements->resize(1 + bytes.below(elements->size()));
    const auto of_earlier = wire::decode(array_of(*elements));
    FANFOLD_CHECK(of_earlier.has_value() || std::holds_alternative<wire::Hello>(*message));

    std::string damaged = once;
    damaged[bytes.word() % damaged.size()] = static_cast<char>(bytes.byte());
    if (const auto survived = wire::decode(damaged))
        FANFOLD_CHECK(wire::decode(wire::encode(*survived)).has_value());
}
