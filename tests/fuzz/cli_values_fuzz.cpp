// Values of options as people type them, and names that come from them: each is taken or refused
// with a reason, and what is taken reads back as what it was.
#include <climits>
#include <stdexcept>
#include <string>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/options/option_values.hpp"
#include "scatterer/cli/output/results_folder.hpp"
#include "shared/base/duration.hpp"
#include "shared/base/ids.hpp"
#include "shared/base/text.hpp"
#include "shared/net/endpoints.hpp"
#include "tests/fuzz/bytes.hpp"
#include "tests/fuzz/target.hpp"
#include "worker/abilities.hpp"
#include "worker/core/text.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::scatterer::cli;

void check_duration(const std::string& text) {
    auto duration = parse_duration(text);
    if (!duration) return FANFOLD_CHECK(!duration.error().text.empty());
    FANFOLD_CHECK(*duration >= Duration(0) && *duration <= std::chrono::hours(24 * 366 * 100));
    auto shown = parse_duration(to_string(*duration));
    FANFOLD_CHECK(shown.has_value());
    // Two or three significant digits are shown.
    auto apart = *shown > *duration ? *shown - *duration : *duration - *shown;
    FANFOLD_CHECK(apart <= *duration / 15);
}

template <class Take>
void taken_or_refused(Take take) {
    try {
        take();
    } catch (const UsageError& error) {
        FANFOLD_CHECK(*error.what() != '\0');
    } catch (const std::invalid_argument& error) {
        FANFOLD_CHECK(*error.what() != '\0');
    }
}

void check_folder(const std::string& text) {
    std::string name = folder_name(text, 12);
    FANFOLD_CHECK(!name.empty() && name.size() <= NAME_MAX && name != "." && name != "..");
    FANFOLD_CHECK(name.find('/') == name.npos && name.find('\0') == name.npos);
}

void check_text(const std::string& text) {
    std::string_view shorter = cut_between_characters(text, 20);
    FANFOLD_CHECK(shorter.size() <= 20);
    std::string_view end = worker::tail(text, 20);
    FANFOLD_CHECK(end.size() <= 20);
    if (is_utf8(text)) FANFOLD_CHECK(is_utf8(shorter) && is_utf8(end));
}
}  // namespace

FANFOLD_FUZZ_TARGET(cli_values) {
    fuzz::Bytes input(data, size);
    std::uint8_t option = input.byte();
    const std::string text(input.rest());
    check_duration(text);
    if (auto bytes = parse_size(text)) FANFOLD_CHECK(parse_size(std::to_string(*bytes)) == *bytes);
    if (auto job = parse_job_id(text)) FANFOLD_CHECK(parse_job_id(to_string(*job)) == *job);
    check_folder(text);
    check_text(text);
    (void)net::check_endpoint(text, "--bind", (option & 1) != 0);
    (void)net::tcp_address(text);

    JobOptions job;
    worker::Abilities abilities;
    taken_or_refused([&] {
        switch (option % 11) {
            case 0: gather_value(job, text); break;
            case 1: max_failures_value(job, text); break;
            case 2: hedge_value(job, text); break;
            case 3: require_value(job, text); break;
            case 4: resource_value(job, text); break;
            case 5: FANFOLD_CHECK(weight_value(text) > 0); break;
            case 6: priority_value(text); break;
            case 7:
                FANFOLD_CHECK(number_value("--retries", text, {.least = 3, .most = 300}) <= 300);
                break;
            case 8: FANFOLD_CHECK(duration_value("--timeout", text).count() >= 0); break;
            case 9: FANFOLD_CHECK(!assignment_value("--env", text).first.empty()); break;
            default: abilities.add_resource(text), abilities.add_label(text);
        }
    });
}
