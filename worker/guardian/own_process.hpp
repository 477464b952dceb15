// What the worker's program and its guardian ask of the system for their own process, since the
// commands that they start run as the same user. Called first in main().
#pragma once

namespace fanfold::worker::guardian {

/// Processes whose parents have ended come to this one instead of to the system's first.
void adopt_orphans();

/// Its memory and environment can be read by root alone, and it leaves no core dump. What it
/// executes is open again.
void close_to_others();

}  // namespace fanfold::worker::guardian
