// What the command line program reports and ends with, when the call itself is wrong. Thrown at the
// edge only.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

/// A command line that makes no sense; the text names the option, its value and the way out.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Something outside the fleet failed: a file, a folder, standard output. The text names it and the
/// system's reason.
struct SystemError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// "cannot WHAT: " and the text of errno.
inline SystemError system_error(const std::string& what) {
    return SystemError("cannot " + what + ": " + std::strerror(errno));
}

/// The answer, or its error as a SystemError.
template <class T>
T must(Result<T> answer) {
    if (!answer) throw SystemError(answer.error().text);
    if constexpr (!std::is_void_v<T>) return *std::move(answer);
}

}  // namespace fanfold::scatterer::cli
