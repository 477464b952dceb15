// Waiting for input without falling asleep at once. An idle processor takes long to wake up (tens
// of microseconds on a virtual machine), which is what a small job's time is made of where messages
// follow one another. Any thread.
#pragma once

#include <poll.h>

#include <vector>

namespace fanfold::net {

/// As poll(), but where the last waits of this thread were short, looks for a moment before it
/// sleeps. Other threads that have something to do go first meanwhile. A thread that waits for long
/// sleeps at once, so an idle program costs nothing.
int poll_awake(std::vector<pollfd>& items, int milliseconds);

}  // namespace fanfold::net
