// Scatters texts to a running fleet and prints the results in order. The fleet's address is in
// $FANFOLD_BROKER.
//
//     remote_client echo TEXT...      each text comes back (the built-in function fanfold.echo)
//     remote_client count TEXT...     the number of different words in each (the function of
//     word_count_worker)
#include <chrono>
#include <exception>
#include <fanfold/scatterer.hpp>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "scripts/examples/words.hpp"

namespace {

std::string describe(const fanfold::FragmentResult& result, bool counted) {
    if (!result.ok())
        return std::string(fanfold::to_string(result.outcome)) + ": " + result.message;
    return counted ? std::to_string(result.as<Counts>().size()) : result.as<std::string>();
}

int run(const std::string& what, const std::vector<std::string>& texts) {
    using namespace std::chrono_literals;
    const bool counted = what == "count";
    fanfold::Scatterer scatterer(fanfold::ConnectOptions{});
    auto job = scatterer.scatter(counted ? "count" : "fanfold.echo", texts,
                                 {.deadline = 30s, .ordered = true});
    while (auto result = job.next())
        std::cout << result->index << '\t' << describe(*result, counted) << '\n';
    auto end = job.wait();
    std::cerr << job.id() << ": " << fanfold::to_string(end.outcome)
              << (end.reason.empty() ? "" : ", ") << end.reason << '\n';
    return end.outcome == fanfold::JobOutcome::complete ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    try {
        const std::vector<std::string> words(arguments + 1, arguments + count);
        if (words.size() < 2 || (words[0] != "echo" && words[0] != "count")) {
            throw std::runtime_error("usage: remote_client echo|count TEXT...");
        }
        return run(words[0], {words.begin() + 1, words.end()});
    } catch (const std::exception& error) {
        std::cerr << "remote_client: " << error.what() << '\n';
        return 255;
    }
}
