// Walks through the payloads of a task, once their lengths are known. Belongs to the thread that
// runs the task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace fanfold::worker {

class Payloads {
public:
    /// Finds `count` payloads; false when the body is not exactly these. The body outlives the
    /// walk.
    bool begin(std::string_view body, std::uint32_t count);
    /// There must be one.
    std::string_view next();

private:
    std::string_view rest_;
    std::vector<std::uint32_t> lengths_;
    std::size_t at_ = 0;
};

}  // namespace fanfold::worker
