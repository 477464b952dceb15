#include "shared/base/birth_process.hpp"

#include <pthread.h>

#include <atomic>

namespace fanfold {

unsigned BirthProcess::forks() {
    static std::atomic<unsigned> count{0};
    static const int registered = pthread_atfork(nullptr, nullptr, [] { ++count; });
    (void)registered;
    return count.load(std::memory_order_relaxed);
}

}  // namespace fanfold
