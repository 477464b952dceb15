// The folder of an ipc socket says who may be behind it. Pure but for a look at the folder; any
// thread.
#pragma once

#include <cstdint>
#include <string>

#include "shared/base/result.hpp"

namespace fanfold::net {

enum class IpcFolder : std::uint8_t {
    for_binding,     // it must be this user's own, and closed to all others
    for_connecting,  // it must be this user's own, or root's, so that no other user can put a
                     // socket of his there
};

/// An Error names the folder and the way out. Endpoints that are not ipc are always well.
Result<void> check_ipc_folder(const std::string& endpoint, IpcFolder use);

}  // namespace fanfold::net
