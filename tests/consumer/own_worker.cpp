// A worker that offers the function "double" to the broker at the address of its first argument.
#include <exception>
#include <fanfold/worker.hpp>
#include <iostream>
#include <string>

int main(int count, char** arguments) {
    try {
        fanfold::Worker worker({.broker = count > 1 ? arguments[1] : "", .slots = 2});
        worker.function("double", [](const std::string& word) { return word + word; });
        worker.run();
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "own_worker: " << error.what() << '\n';
        return 255;
    }
}
