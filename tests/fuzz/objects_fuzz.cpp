// Any bytes as payloads: the walk over MessagePack objects stays inside the bytes, and its readings
// agree.
#include <cstdint>
#include <string_view>

#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"
#include "tests/fuzz/target.hpp"

FANFOLD_FUZZ_TARGET(objects) {
    using namespace fanfold;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    std::size_t used = 0;
    std::uint64_t count = 0;
    while (const auto length = wire::object_length(bytes.substr(used))) {
        FANFOLD_CHECK(*length > 0 && *length <= bytes.size() - used);
        const std::string_view object = bytes.substr(used, *length);
        FANFOLD_CHECK(wire::is_objects(object, 1));
        const bool text = wire::text_of(object).has_value();
        const bool number = wire::number_of(object).has_value();
        const auto elements = wire::elements_of(object);
        FANFOLD_CHECK(text + number + elements.has_value() + wire::is_nil(object) <= 1);
        if (elements) {
            for (const std::string_view element : *elements)
                FANFOLD_CHECK(wire::is_objects(element, 1));
        }
        used += *length;
        ++count;
    }
    FANFOLD_CHECK(wire::objects_length(bytes, count) == used);
    FANFOLD_CHECK(!wire::objects_length(bytes, count + 1));
}
