// The bytes of all files below a folder. The handler of a folder scatters its subfolders and waits
// for them: while it waits, its thread runs some of them, so one slot is enough for any depth.
//
//     folder_bytes FOLDER       over an embedded fleet, or that in $FANFOLD_BROKER
//     folder_bytes --work       a worker of one slot for that fleet, until it is told to stop
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fanfold/embedded.hpp>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::uint64_t bytes_of(fanfold::Scatterer& scatterer, const std::vector<std::string>& folders) {
    auto job = scatterer.scatter("bytes", folders);  // ends with the handler that opens it
    std::uint64_t bytes = 0;
    while (auto result = job.next()) bytes += result->as<std::uint64_t>();
    return bytes;
}

std::uint64_t bytes_below(fanfold::Scatterer& scatterer, const std::string& folder) {
    std::uint64_t bytes = 0;
    std::vector<std::string> folders;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.is_symlink()) continue;
        if (entry.is_directory()) folders.push_back(entry.path());
        else if (entry.is_regular_file()) bytes += entry.file_size();
    }
    return folders.empty() ? bytes : bytes + bytes_of(scatterer, folders);
}

}  // namespace

int main(int count, char** arguments) {
    try {
        if (count != 2) throw std::runtime_error("usage: folder_bytes FOLDER | --work");
        const std::string folder = arguments[1];
        if (folder == "--work") {
            fanfold::Scatterer scatterer;
            fanfold::Worker worker({.slots = 1});
            worker.function("bytes",
                            [&](const std::string& path) { return bytes_below(scatterer, path); });
            worker.run();
        } else if (std::getenv("FANFOLD_BROKER") != nullptr) {
            fanfold::Scatterer scatterer;
            std::cout << bytes_of(scatterer, {folder}) << '\n';
        } else {
            fanfold::Embedded fleet({.slots = 2});
            fleet.function("bytes", [&](const std::string& path) {
                return bytes_below(fleet.scatterer(), path);
            });
            std::cout << bytes_of(fleet.scatterer(), {folder}) << '\n';
        }
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "folder_bytes: " << error.what() << '\n';
        return 255;
    }
}
