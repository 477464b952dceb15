#include "scatterer/cli/output/results_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <utility>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/output.hpp"

namespace fanfold::scatterer::cli {

namespace {

SystemError unwritable(const std::string& path) {
    return SystemError("cannot write results to " + path + ": " + std::strerror(errno) +
                       "; choose another folder with --results");
}

void make_folders(const std::string& path) {
    auto make = [](const std::string& folder) {
        if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) throw unwritable(folder);
    };
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
        make(path.substr(0, at));
    make(path);
}

/// An open folder or file; what it is called is for errors.
struct Opened {
    int fd = -1;
    std::string path;
    Opened(int descriptor, std::string name) : fd(descriptor), path(std::move(name)) {
        if (fd < 0) throw unwritable(path);
    }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
    Opened(Opened&& other) noexcept
        : fd(std::exchange(other.fd, -1)), path(std::move(other.path)) {}
    Opened& operator=(Opened&& other) noexcept {
        std::swap(fd, other.fd);
        std::swap(path, other.path);
        return *this;
    }
    ~Opened() {
        if (fd >= 0) ::close(fd);
    }
};

/// The folder of this name in another, made if need be: a folder, not a link to one.
Opened descend(const Opened& folder, const std::string& name) {
    std::string path = folder.path + '/' + name;
    if (::mkdirat(folder.fd, name.c_str(), 0777) != 0 && errno != EEXIST) throw unwritable(path);
    return {::openat(folder.fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
            path};
}

/// Always a new file: what bears its name already, a link or a pipe perhaps, is taken away and not
/// written to.
void write_file(const Opened& folder, const char* name, std::string_view text) {
    auto create = [&] {
        return ::openat(folder.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        0666);
    };
    int fd = create();
    if (fd < 0 && errno == EEXIST && ::unlinkat(folder.fd, name, 0) == 0) fd = create();
    Opened file(fd, folder.path + '/' + name);
    if (!write_all(file.fd, text)) throw unwritable(file.path);
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
    std::size_t cut = NAME_MAX - suffix.size();
    // Not within an escape: `\#` then stands in no name but those that are cut.
    std::size_t backslashes = cut - (name.find_last_not_of('\\', cut - 1) + 1);
    return name.substr(0, cut - backslashes % 2) + suffix;
}

ResultsFolder::ResultsFolder(std::string path) : path_(std::move(path)) {
    while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
    if (path_.empty()) throw SystemError("the folder of --results has no name");
    make_folders(path_ + "/1");
    if (::access((path_ + "/1").c_str(), W_OK | X_OK) != 0) throw unwritable(path_);
}

void ResultsFolder::add(const std::vector<std::string>& values, std::uint64_t sequence,
                        Texts texts) {
    std::string number = std::to_string(sequence);
    Opened folder(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), path_);
    for (std::size_t i = 0; i < values.size(); ++i) {
        folder = descend(folder, std::to_string(i + 1));
        folder = descend(folder, folder_name(values[i], sequence));
    }
    if (values.empty()) folder = descend(descend(folder, "1"), number);
    write_file(folder, "stdout", texts.out);
    write_file(folder, "stderr", texts.err);
    write_file(folder, "seq", number);
}

}  // namespace fanfold::scatterer::cli
