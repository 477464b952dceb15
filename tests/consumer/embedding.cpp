// A pipeline with all four components inside: squares of numbers, added up.
#include <cstdint>
#include <fanfold/embedded.hpp>
#include <iostream>
#include <numeric>
#include <vector>

int main() {
    std::vector<std::uint64_t> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 1);

    fanfold::Embedded fleet({.slots = 2});
    fleet.function("square", [](std::uint64_t number) { return number * number; });
    auto job = fleet.scatterer().scatter("square", numbers, {.ordered = true});
    std::uint64_t sum = 0;
    while (auto result = job.next()) sum += result->as<std::uint64_t>();
    auto end = job.wait();

    std::cout << fanfold::to_string(end.outcome) << ' ' << sum << '\n';
    return end.outcome == fanfold::JobOutcome::complete && sum == 333'833'500 ? 0 : 1;
}
