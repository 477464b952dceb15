#include "scatterer/cli/verbs/keygen.hpp"

#include <pwd.h>
#include <unistd.h>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/base/output.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::scatterer::cli {

namespace {

std::string user_name(const KeygenOptions& options) {
    if (!options.name.empty()) return options.name;
    const passwd* entry = getpwuid(geteuid());  // NOLINT(concurrency-mt-unsafe): the only thread
    if (entry && is_user_name(entry->pw_name)) return entry->pw_name;
    throw SystemError(
        "the system knows no name of yours that can be used here; give one with --name");
}

}  // namespace

int run_keygen(const CommandLine& line) {
    const KeygenOptions& options = line.keygen;
    std::string folder = keys_folder(line.common.keys);
    std::string user = options.for_broker ? "" : user_name(options);
    std::string trusted = options.trust.empty() ? "" : must(load_public_key(options.trust));
    KeyPair pair = make_key_pair();
    must(write_identity(folder, pair));
    if (options.for_broker) {
        must(write_public_key(folder, pair.public_key));
        must(write_empty_allowed(folder));
        return exit_good;
    }
    if (!trusted.empty()) must(write_public_key(folder, trusted));
    Output output(1, "standard output");
    output.append(pair.public_key + " " + user + " " + to_string(must(parse_roles(options.roles))) +
                  "\n");
    output.flush();
    return exit_good;
}

}  // namespace fanfold::scatterer::cli
