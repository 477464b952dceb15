#include "worker/guardian/own_process.hpp"

#include <sys/prctl.h>

namespace fanfold::worker::guardian {

void adopt_orphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

void close_to_others() { ::prctl(PR_SET_DUMPABLE, 0); }

}  // namespace fanfold::worker::guardian
