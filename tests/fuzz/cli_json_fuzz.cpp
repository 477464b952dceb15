// Values from anywhere as JSON text: one line that every reader of JSON takes, whatever the bytes.
// Payloads of commands as their input.
#include <nlohmann/json.hpp>
#include <string>

#include "scatterer/cli/output/fragments.hpp"
#include "scatterer/cli/output/json_text.hpp"
#include "scatterer/cli/output/printer.hpp"
#include "shared/base/result.hpp"
#include "tests/fuzz/bytes.hpp"
#include "tests/fuzz/target.hpp"
#include "worker/commands/command_values.hpp"

FANFOLD_FUZZ_TARGET(cli_json) {
    using namespace fanfold;
    using namespace fanfold::scatterer::cli;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);

    for (auto append : {append_json, append_json_bytes, append_json_string}) {
        std::string json;
        append(json, bytes);
        FANFOLD_CHECK(nlohmann::json::accept(json));
        FANFOLD_CHECK(json.find('\n') == json.npos);
    }
    std::string scratch;
    (void)text_of_value(bytes, scratch);
    CommandOutput output = command_output(bytes);
    FANFOLD_CHECK(output.out.size() + output.err.size() <= size);
    std::string tagged;
    const std::string tag = "tag";
    append_tagged(tagged, bytes, &tag);

    const Slice payload = Slice::copy(bytes);
    if (auto input = worker::input_of(payload)) FANFOLD_CHECK(input->size() < 16 * size + 64);
    if (auto exec = worker::exec_payload(payload)) FANFOLD_CHECK(!exec->argv.empty());
    FANFOLD_CHECK(wire::is_objects(worker::streams_value(bytes, bytes), 1));
    FANFOLD_CHECK(wire::is_objects(worker::output_value(bytes), 1));
}
