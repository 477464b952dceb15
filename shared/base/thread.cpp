#include "shared/base/thread.hpp"

#include <signal.h>

#include <exception>
#include <string>
#include <utility>

namespace fanfold {

Result<std::thread> start_thread(std::function<void()> run) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // a thread is born with the mask of its parent
    Result<std::thread> thread;
    try {
        thread = std::thread(std::move(run));
    } catch (const std::exception& error) {
        thread = fail(std::string("the system gives no further thread (") + error.what() +
                      "); see the limits of processes and of memory, ulimit -u and -v");
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
}

}  // namespace fanfold
