// The door through which libFuzzer comes in; the program has one target.
#include "tests/fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fanfold::fuzz::targets().front().run(data, size);
    return 0;
}
