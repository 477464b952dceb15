// Threads of a library. Any thread.
#pragma once

#include <functional>
#include <thread>

#include "shared/base/result.hpp"

namespace fanfold {

/// A thread that takes no signal: those are the business of the program's own threads. An Error
/// when the system gives none.
Result<std::thread> start_thread(std::function<void()> run);

}  // namespace fanfold
