// What the command line program reports and ends with, when the call itself is wrong. Thrown at the
// edge only.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

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

}  // namespace fanfold::scatterer::cli
