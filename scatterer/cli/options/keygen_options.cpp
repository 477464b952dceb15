#include "scatterer/cli/options/keygen_options.hpp"

#include "scatterer/cli/base/errors.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::scatterer::cli {

void add_keygen(OptionSet& set, KeygenOptions& keygen) {
    auto name = [&keygen](const std::string& text) {
        if (!is_user_name(text))
            throw UsageError("--name '" + text + "': 1 to 100 letters, digits and ._-@ are wanted");
        keygen.name = text;
    };
    auto roles = [&keygen](const std::string& text) {
        if (auto good = parse_roles(text); !good) throw UsageError("--roles: " + good.error().text);
        keygen.roles = text;
    };
    set.value("--name USER", name,
              "Whose key it is, for the broker's file (else yours, as the system knows you)");
    set.value("--roles ROLE,ROLE", roles,
              "submit (the default), work, gather, admin: what it may do");
    set.value("--trust FILE", keygen.trust,
              "The broker's broker.pub: it is copied into the folder");
    set.flag("--for-broker", keygen.for_broker,
             "A broker's key: also makes broker.pub, and an empty file of allowed keys");
}

void check_keygen(const CommandLine& line, const std::vector<std::string>& rest) {
    if (!rest.empty()) throw UsageError("unexpected '" + rest[0] + "'");
    if (keys_folder(line.common.keys).empty())
        throw UsageError("a folder is missing: name it with --keys, or FANFOLD_KEYS");
    if (line.keygen.for_broker && !line.keygen.trust.empty())
        throw UsageError("--trust is for those who connect, not --for-broker");
}

}  // namespace fanfold::scatterer::cli
