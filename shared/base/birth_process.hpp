// A child of fork() has a copy of its parent's memory, but none of its threads: what needs these
// must not be used there. Any thread.
#pragma once

namespace fanfold {

/// The process in which something was made.
class BirthProcess {
public:
    BirthProcess() : forks_(forks()) {}
    /// False in a child that was forked since. Takes no lock, which another thread may have held at
    /// the fork.
    bool is_this() const { return forks_ == forks(); }

private:
    /// How many forks lie between this process and the first.
    static unsigned forks();

    unsigned forks_;
};

}  // namespace fanfold
