#include "scatterer/cli/verbs/backup.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/base/output.hpp"
#include "shared/program/program.hpp"
#include "shared/store/copies.hpp"
#include "shared/store/store_folder.hpp"

namespace fanfold::scatterer::cli {

namespace {
namespace fs = std::filesystem;

constexpr std::array databases{"broker.db", "gatherer.db"};
constexpr auto name_file = "gatherer.name";

bool holds(const fs::path& folder, const char* file) {
    std::error_code none;
    return fs::exists(folder / file, none);
}

bool holds_any(const fs::path& folder) {
    return holds(folder, databases[0]) || holds(folder, databases[1]);
}

void copy_name(const fs::path& from, const fs::path& to) {
    if (!holds(from, name_file)) return;
    std::error_code failed;
    fs::copy_file(from / name_file, to / name_file, fs::copy_options::overwrite_existing, failed);
    if (failed)
        throw SystemError("cannot write " + (to / name_file).string() + ": " + failed.message());
}

void say(Output& output, const std::string& file, std::uint64_t bytes) {
    output.append(file + " " + std::to_string(bytes) + " bytes\n");
}
}  // namespace

int run_backup(const CommandLine& line) {
    const fs::path state = line.backup.state.empty() ? default_state_folder() : line.backup.state;
    const fs::path copy = line.backup.copy;
    if (!holds_any(state))
        throw SystemError(state.string() +
                          " holds no broker.db and no gatherer.db; name the --state of the daemons "
                          "of this host");
    if (mkdir(copy.c_str(), 0700) != 0 && errno != EEXIST)
        throw system_error("make the folder " + copy.string());
    Output output(1, "standard output");
    for (const char* database : databases)
        if (holds(state, database))
            say(output, database, copy_database(state / database, copy / database));
    copy_name(state, copy);
    output.flush();
    return exit_good;
}

int run_restore(const CommandLine& line) {
    const fs::path state = line.backup.state.empty() ? default_state_folder() : line.backup.state;
    const fs::path copy = line.backup.copy;
    if (!holds_any(copy))
        throw SystemError(copy.string() +
                          " holds no broker.db and no gatherer.db: it is no backup");
    for (const char* database : databases)
        if (holds(copy, database) && holds(state, database))
            throw SystemError((state / database).string() +
                              " is there: end its daemon, and move that file away first");
    Output output(1, "standard output");
    for (const char* database : databases) {
        if (!holds(copy, database)) continue;
        const StoreFolder held((state / database).string());  // no daemon has it meanwhile
        // As it was made just now; and what a database left behind that is no more.
        for (const char* ending : {"", "-wal", "-shm", "-mark"})
            unlink((state / (database + std::string(ending))).c_str());
        say(output, database, copy_database(copy / database, state / database));
    }
    copy_name(copy, state);
    output.flush();
    return exit_good;
}

}  // namespace fanfold::scatterer::cli
