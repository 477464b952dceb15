// A worker with a C++ handler: it offers the function "count" to the broker in $FANFOLD_BROKER,
// until it is told to stop (Ctrl-C).
//
//     word_count_worker [SLOTS]
#include <exception>
#include <fanfold/worker.hpp>
#include <iostream>
#include <string>

#include "scripts/examples/words.hpp"

int main(int count, char** arguments) {
    try {
        const auto slots = count > 1 ? static_cast<std::uint32_t>(std::stoul(arguments[1])) : 2;
        fanfold::Worker worker({.slots = slots});
        worker.function("count", count_words);
        worker.run();
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "word_count_worker: " << error.what() << '\n';
        return 255;
    }
}
