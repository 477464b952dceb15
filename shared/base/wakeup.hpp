// Wakes a poll from another thread. Any thread.
#pragma once

namespace fanfold {

class Wakeup {
public:
    /// Throws StartupError when the system has no descriptor left.
    Wakeup();
    ~Wakeup();
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;

    void wake();
    void clear();
    /// Readable from wake() until clear().
    int fd() const { return fd_; }

private:
    int fd_;
};

}  // namespace fanfold
