#include "scatterer/cli/results_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "scatterer/cli/errors.hpp"
#include "scatterer/cli/output.hpp"

namespace fanfold::scatterer::cli {

namespace {

SystemError unwritable(const std::string& path) {
    return SystemError("cannot write results to " + path + ": " + std::strerror(errno) + "; choose another folder with --results");
}

/// As `mkdir -p` for the last part alone: it may be there already.
void make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) throw unwritable(path);
}

void make_folders(const std::string& path) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) make_folder(path.substr(0, at));
    make_folder(path);
}

void write_file(const std::string& path, std::string_view text) {
    int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) throw unwritable(path);
    bool written = write_all(fd, text);
    int error = errno;
    ::close(fd);
    errno = error;
    if (!written) throw unwritable(path);
}

}  // namespace

std::string folder_name(std::string_view value, std::uint64_t sequence) {
    if (value.empty()) return "\\";
    if (value == ".") return "\\.";
    if (value == "..") return "\\.\\.";
    std::string name;
    for (char c : value) {
        switch (c) {
            case '\\': name += "\\\\"; break;
            case '\t': name += "\\t"; break;
            case '\0': name += "\\0"; break;
            case '/': name += "\\_"; break;
            default: name += c; break;
        }
    }
    if (name.size() <= NAME_MAX) return name;
    std::string suffix = "\\#" + std::to_string(sequence);
    return name.substr(0, NAME_MAX - suffix.size()) + suffix;
}

ResultsFolder::ResultsFolder(std::string path) : path_(std::move(path)) {
    while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
    if (path_.empty()) throw SystemError("the folder of --results has no name");
    make_folders(path_ + "/1");
    if (::access((path_ + "/1").c_str(), W_OK | X_OK) != 0) throw unwritable(path_);
}

void ResultsFolder::add(const std::vector<std::string>& values, std::uint64_t sequence, Texts texts) {
    std::string number = std::to_string(sequence);
    std::string folder = path_;
    auto descend = [&](const std::string& name) { make_folder(folder += '/' + name); };
    for (std::size_t i = 0; i < values.size(); ++i) {
        descend(std::to_string(i + 1));
        descend(folder_name(values[i], sequence));
    }
    if (values.empty()) descend("1"), descend(number);
    write_file(folder + "/stdout", texts.out);
    write_file(folder + "/stderr", texts.err);
    write_file(folder + "/seq", number);
}

}  // namespace fanfold::scatterer::cli
