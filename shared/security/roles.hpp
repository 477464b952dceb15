// Which role a message wants of its sender. Pure, any thread.
#pragma once

#include "shared/base/access.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold {

/// Whether somebody with these roles may send the message to a bound socket, of the broker's or a
/// gatherer's. What only they themselves say, nobody may.
bool may(Roles roles, const wire::Message& message);

}  // namespace fanfold
