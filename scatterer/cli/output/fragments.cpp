#include "scatterer/cli/output/fragments.hpp"

#include <algorithm>

namespace fanfold::scatterer::cli {

CommandOutput command_output(std::string_view object) {
    auto elements = object.empty() ? std::nullopt : wire::elements_of(object);
    if (!elements || elements->size() < 2 || elements->size() > 3) return {};
    const auto text = [&](std::size_t at) {
        return wire::text_of((*elements)[at]).value_or(std::string_view{});
    };
    CommandOutput output{.out = text(0), .err = text(1)};
    if (elements->size() == 3) output.left = text(2);
    return output;
}

CommandOutput command_output(const Fragment& fragment) {
    return command_output(fragment.failure ? std::string_view(fragment.failure->output)
                                           : fragment.value);
}

std::string error_text(const FragmentResult& failure) {
    if (!failure.message.empty()) return failure.message;
    if (failure.exit_code >= 0) return "exit code " + std::to_string(failure.exit_code);
    if (failure.signal > 0) return "killed by signal " + std::to_string(failure.signal);
    return "no reason was given";
}

std::string why_failed(const FragmentResult& failure, std::string_view shown) {
    std::string text;
    switch (failure.outcome) {
        case FragmentOutcome::value:
        case FragmentOutcome::failed: text = "failed: "; break;
        case FragmentOutcome::timeout: text = "timed out: "; break;
        case FragmentOutcome::crashed: text = "crashed: "; break;
        case FragmentOutcome::cancelled: text = "was cancelled: "; break;
    }
    std::string error = error_text(failure);
    std::size_t colon = shown.empty() ? std::string::npos : error.find(": ");
    if (colon != std::string::npos &&
        shown.find(std::string_view(error).substr(colon + 2)) != std::string_view::npos)
        error.resize(colon);
    text += error;
    text.erase(text.find_last_not_of(" \n") + 1);
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

}  // namespace fanfold::scatterer::cli
