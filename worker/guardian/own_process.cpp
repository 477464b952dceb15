#include "worker/guardian/own_process.hpp"

#include <sys/prctl.h>

namespace fanfold::worker::guardian {

void adopt_orphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

}  // namespace fanfold::worker::guardian
