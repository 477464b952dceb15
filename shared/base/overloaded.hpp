// For exhaustive visits of std::variant: one visitor of several functions, and types by list. An
// alternative that none of the functions takes is a compile error.
#pragma once

#include <concepts>

namespace fanfold {

/// One visitor of several functions, for std::visit.
template <class... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

/// A function's argument that may be any of the listed types, and no other.
template <class T, class... Listed>
concept OneOf = (std::same_as<T, Listed> || ...);

}  // namespace fanfold
