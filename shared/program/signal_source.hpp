// Signals as input of a loop.
#pragma once

namespace fanfold {

class SignalSource {
public:
    virtual ~SignalSource() = default;
    /// Readable when a signal has come.
    virtual int fd() const = 0;
    /// The signal that came, or 0. Of those that come at once each is read.
    virtual int read() = 0;
};

}  // namespace fanfold
