// How long the texts and lists of a struct may be. A struct with `fields` that has any declares
// `bounds` beside them: one for each text and list, in the order of the fields. The codec
// (fields.hpp) refuses what is past them, so that nothing past them comes in.
#pragma once

#include <cstddef>

namespace fanfold::wire {

struct Bound {
    enum class Rule {
        at_most,
        cut,     // for people: whoever writes it cuts it to fit
        exactly  // so many bytes, or none
    };
    const char* field = "";
    std::size_t bytes = 0;  // of a text, or of each text in a list
    std::size_t count = 0;  // of the elements of a list
    Rule rule = Rule::at_most;
};

constexpr Bound at_most(const char* field, std::size_t bytes) {
    return {.field = field, .bytes = bytes};
}
constexpr Bound cut_to(const char* field, std::size_t bytes) {
    return {.field = field, .bytes = bytes, .rule = Bound::Rule::cut};
}
constexpr Bound exactly(const char* field, std::size_t bytes) {
    return {.field = field, .bytes = bytes, .rule = Bound::Rule::exactly};
}
constexpr Bound list(const char* field, std::size_t count) {
    return {.field = field, .count = count};
}
constexpr Bound texts(const char* field, std::size_t count, std::size_t bytes) {
    return {.field = field, .bytes = bytes, .count = count};
}

}  // namespace fanfold::wire
