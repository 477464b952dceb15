#include "scatterer/cli/options/command_line.hpp"

#include <array>
#include <string>
#include <vector>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/likeness.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr std::array all_verbs{
    Verb::map,       Verb::submit, Verb::jobs,   Verb::status, Verb::wait,    Verb::results,
    Verb::cancel,    Verb::set,    Verb::retry,  Verb::forget, Verb::workers, Verb::gatherers,
    Verb::functions, Verb::doctor, Verb::keygen, Verb::backup, Verb::restore};

}  // namespace

const char* to_string(Verb verb) {
    switch (verb) {
        case Verb::map: return "map";
        case Verb::submit: return "submit";
        case Verb::jobs: return "jobs";
        case Verb::status: return "status";
        case Verb::wait: return "wait";
        case Verb::results: return "results";
        case Verb::cancel: return "cancel";
        case Verb::set: return "set";
        case Verb::retry: return "retry";
        case Verb::forget: return "forget";
        case Verb::workers: return "workers";
        case Verb::gatherers: return "gatherers";
        case Verb::functions: return "functions";
        case Verb::doctor: return "doctor";
        case Verb::keygen: return "keygen";
        case Verb::backup: return "backup";
        case Verb::restore: return "restore";
    }
    return "";
}

Verb verb_named(const std::string& word) {
    for (Verb verb : all_verbs)
        if (word == to_string(verb)) return verb;
    std::vector<std::string> names;
    names.reserve(all_verbs.size());
    for (Verb verb : all_verbs) names.emplace_back(to_string(verb));
    const std::string meant = nearest(word, names);
    throw UsageError("unknown verb '" + word + "'" +
                     (meant.empty() ? "" : "; did you mean " + meant + "?") +
                     "; see fanfold --help");
}

}  // namespace fanfold::scatterer::cli
