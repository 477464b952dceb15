// Expected failures are values: Result<T> is either a T or an Error that names the thing, the value
// and the way out.
#pragma once

#include <stdexcept>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace fanfold {

struct Error {
    std::string text;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string text) {
    return tl::unexpected<Error>(Error{std::move(text)});
}

/// Thrown while a program or a library object is being set up: a bad endpoint, a port in use, a
/// missing helper.
struct StartupError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A Result that must be a success: throws its error as StartupError.
inline void require(const Result<void>& result) {
    if (!result) throw StartupError(result.error().text);
}
template <class T>
T require(Result<T> result) {
    if (!result) throw StartupError(result.error().text);
    return *std::move(result);
}

/// A broken invariant ends the process with a message, in release too.
[[noreturn]] void broken_invariant(const char* what, const char* file, int line);

#define FANFOLD_CHECK(condition)           \
    (static_cast<bool>(condition) ? void() \
                                  : ::fanfold::broken_invariant(#condition, __FILE__, __LINE__))

}  // namespace fanfold
