// A job's id and bytes as text, for tests of the wire.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/ids.hpp"

namespace fanfold::testing {

inline JobId some_job() {
    return make_job_id(std::chrono::milliseconds(1'700'000'000'000), 0x0123456789abcdef,
                       0xfedcba9876543210);
}

inline std::string hex(std::string_view bytes) {
    std::string text;
    for (unsigned char c : bytes) {
        text += "0123456789abcdef"[c >> 4];
        text += "0123456789abcdef"[c & 15];
    }
    return text;
}

}  // namespace fanfold::testing
