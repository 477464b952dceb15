// The digest over the payloads of a job with a key, by which its broker and a client that comes
// later agree that they mean the same inputs. Plain value; its owner guards it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace fanfold::wire {

/// XXH3, 128 bits, over all that was added, in its canonical form: 16 bytes, the most significant
/// first.
class Digest {
public:
    Digest();
    ~Digest();
    Digest(const Digest& other);
    Digest& operator=(const Digest& other);
    Digest(Digest&&) noexcept;
    Digest& operator=(Digest&&) noexcept;

    void add(std::string_view bytes);
    std::string value() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace fanfold::wire
