// A client of a broker at the address of its first argument: every word that follows is doubled by
// the function "double".
#include <exception>
#include <fanfold/scatterer.hpp>
#include <iostream>
#include <string>
#include <vector>

int main(int count, char** arguments) {
    try {
        if (count < 2) throw fanfold::FanfoldError("usage: client BROKER [WORD...]");
        const std::vector<std::string> words(arguments + 2, arguments + count);
        fanfold::Scatterer scatterer({.broker = arguments[1]});
        auto job = scatterer.scatter("double", words, {.ordered = true});
        while (auto result = job.next()) std::cout << result->as<std::string>() << '\n';
        return job.wait().outcome == fanfold::JobOutcome::complete ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "client: " << error.what() << '\n';
        return 255;
    }
}
