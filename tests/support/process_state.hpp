// What a test looks at, or takes away, of its own process.
#pragma once

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>

#include <cstddef>

namespace fanfold::testing {

inline bool is_blocked(int signal) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return sigismember(&mask, signal) == 1;
}

using Handler = void (*)(int);

inline Handler handler_of(int signal) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    return action.sa_handler;
}

/// No thread can be started while it lives: no address space has room for its stack.
class NoThreads {
public:
    NoThreads() {
        pthread_getattr_default_np(&usual_);
        pthread_attr_t huge;
        pthread_getattr_default_np(&huge);
        pthread_attr_setstacksize(&huge, std::size_t{1} << 50);
        REQUIRE(pthread_setattr_default_np(&huge) == 0);
    }
    ~NoThreads() { pthread_setattr_default_np(&usual_); }
    NoThreads(const NoThreads&) = delete;
    NoThreads& operator=(const NoThreads&) = delete;

private:
    pthread_attr_t usual_;
};

}  // namespace fanfold::testing
