// A field with one writer: everybody reads it, its owner alone changes it. What the compiler checks
// so, no comment has to promise. Plain value.
#pragma once

#include <utility>

namespace fanfold::broker {

class Restoring;

/// A fact of a job or a session that belongs to the class `Owner`. Restoring makes the facts of
/// jobs again before the first step.
template <class Owner, class T>
class Owned {
public:
    Owned() = default;
    explicit Owned(T value) : value_(std::move(value)) {}
    const T* operator->() const { return &value_; }
    const T& operator*() const { return value_; }

private:
    friend Owner;
    friend Restoring;
    T* write() { return &value_; }

    T value_{};
};

}  // namespace fanfold::broker
