#include "worker/guardian/short_slices.hpp"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fanfold::worker {

namespace {
constexpr __u64 slice = 100'000;  // nanoseconds, the shortest that Linux grants
}

void ask_for_short_slices() {
    sched_attr wanted{};
    wanted.size = sizeof wanted;
    if (::syscall(SYS_sched_getattr, 0, &wanted, sizeof wanted, 0) != 0) return;
    // A priority that somebody has raised would not be inherited either, but commands are to have
    // it.
    if (wanted.sched_policy != SCHED_NORMAL || wanted.sched_nice < 0) return;
    wanted.sched_flags = SCHED_FLAG_RESET_ON_FORK;
    wanted.sched_runtime = slice;
    ::syscall(SYS_sched_setattr, 0, &wanted, 0);
}

}  // namespace fanfold::worker
