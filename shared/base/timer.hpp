// Wakes a poll after a time. Any thread.
#pragma once

#include "shared/base/ids.hpp"

namespace fanfold {

class Timer {
public:
    /// Throws StartupError when the system has no descriptor left.
    Timer();
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    /// Once; the latest call counts.
    void start(Duration time);
    void clear();
    /// Readable from the end of the time until clear().
    int fd() const { return fd_; }

private:
    int fd_;
};

}  // namespace fanfold
