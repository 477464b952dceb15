// For a thread that runs for microseconds at a time and lets commands run: it tells the scheduler
// so, and is then run as soon as it is woken, also while a command has its processor. Any thread
// may call it for itself.
#pragma once

namespace fanfold::worker {

/// What the thread starts afterwards does not inherit it. Where the kernel knows nothing of it,
/// nothing changes.
void ask_for_short_slices();

}  // namespace fanfold::worker
