// The files of keys.hpp: reading them only where nobody else could have read or changed them, and
// making them.
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "shared/base/limits.hpp"
#include "shared/security/keys.hpp"

namespace fanfold {

namespace {
constexpr auto way_out = "; make one with fanfold keygen";

class File {
public:
    explicit File(int fd) : fd_(fd) {}
    ~File() {
        if (fd_ >= 0) close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int fd() const { return fd_; }

private:
    int fd_;
};

std::string mode_text(mode_t mode) {
    std::string text;
    for (int shift : {9, 6, 3, 0}) text += static_cast<char>('0' + ((mode >> shift) & 7));
    return text;
}

enum class Closed { to_readers, to_writers };

/// The file's text, if nobody but this user (or root) can have looked at it, or changed it. The
/// caller wipes what is secret.
Result<std::string> read_file(const std::string& path, Closed closed) {
    File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.fd() < 0)
        return fail("cannot read " + path + ": " + std::strerror(errno) +
                    (errno == ENOENT ? way_out : ""));
    struct stat found {};
    if (fstat(file.fd(), &found) != 0)
        return fail("cannot read " + path + ": " + std::strerror(errno));
    if (!S_ISREG(found.st_mode)) return fail(path + " is no file");
    if (found.st_uid != geteuid() && found.st_uid != 0)
        return fail(path + " belongs to another user; keys must be one's own");
    mode_t open_bits = found.st_mode & (closed == Closed::to_readers ? 0077 : 0022);
    if (open_bits != 0)
        return fail(path + " can be " + (closed == Closed::to_readers ? "read" : "changed") +
                    " by others (mode " + mode_text(found.st_mode) + "); close it with: chmod " +
                    (closed == Closed::to_readers ? "600 " : "go-w ") + path);
    std::string text;
    std::array<char, 4096> part{};
    ssize_t count = 0;
    while ((count = read(file.fd(), part.data(), part.size())) > 0 &&
           text.size() < limits::key_file_bytes)
        text.append(part.data(), static_cast<std::size_t>(count));
    explicit_bzero(part.data(), part.size());
    if (count < 0) return fail("cannot read " + path + ": " + std::strerror(errno));
    if (count > 0) return fail(path + " is larger than any such file");
    return text;
}

/// Whoever could write in a folder of keys could put others in their place, and nobody else has to
/// look into it. If there is none, reading its files says so.
Result<void> check_folder(const std::string& folder) {
    struct stat found {};
    if (stat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return {};
    const std::string named = "the folder of keys " + folder;
    if (found.st_uid != geteuid() && found.st_uid != 0)
        return fail(named + " belongs to another user; keys must be one's own");
    if ((found.st_mode & 0066) == 0) return {};
    return fail(named + " can be " + ((found.st_mode & 0022) != 0 ? "changed" : "read") +
                " by others (mode " + mode_text(found.st_mode) + "); close it with: chmod 700 " +
                folder);
}

Result<void> make_folder(const std::string& folder) {
    if (mkdir(folder.c_str(), 0700) == 0) return {};
    if (errno == EEXIST) return check_folder(folder);
    return fail("cannot make the folder " + folder + ": " + std::strerror(errno));
}

/// A new file, written as a whole.
Result<void> write_file(const std::string& path, const std::string& text, mode_t mode) {
    File file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (file.fd() < 0)
        return fail("cannot make " + path + ": " + std::strerror(errno) +
                    (errno == EEXIST ? "; remove it first if it is not wanted any more, or name "
                                       "another folder with --keys"
                                     : ""));
    bool written =
        fchmod(file.fd(), mode) == 0 &&
        write(file.fd(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        fsync(file.fd()) == 0;
    if (written) return {};
    std::string why = std::strerror(errno);
    unlink(path.c_str());
    return fail("cannot write " + path + ": " + why);
}
}  // namespace

std::string keys_folder(const std::optional<std::string>& option) {
    if (option) return *option;
    const char* named = std::getenv(
        "FANFOLD_KEYS");  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
    return named ? named : "";
}

Result<KeyPair> load_identity(const std::string& folder) {
    if (auto closed = check_folder(folder); !closed) return fail(closed.error().text);
    std::string path = folder + "/identity";
    auto text = read_file(path, Closed::to_readers);
    if (!text) return fail(text.error().text);
    auto pair = parse_identity(*text, path);
    explicit_bzero(text->data(), text->size());
    return pair;
}

Result<std::string> load_public_key(const std::string& path) {
    auto text = read_file(path, Closed::to_writers);
    if (!text) return fail(text.error().text);
    return parse_public_key(*text, path);
}

Result<Keys> load_keys(const std::string& folder) {
    auto own = load_identity(folder);
    if (!own) return fail(own.error().text);
    std::string path = folder + "/broker.pub";
    if (access(path.c_str(), F_OK) != 0 && errno == ENOENT)
        return fail(path +
                    " is missing: copy it from the broker's folder, or name that file to fanfold "
                    "keygen with --trust");
    auto broker = load_public_key(path);
    if (!broker) return fail(broker.error().text);
    return Keys{.own = *own, .broker = *std::move(broker)};
}

Result<KeysChanged> load_allowed(const std::string& folder) {
    if (auto closed = check_folder(folder); !closed) return fail(closed.error().text);
    std::string path = folder + "/allowed";
    auto text = read_file(path, Closed::to_writers);
    if (!text) return fail(text.error().text);
    return parse_allowed(*text, path);
}

Result<void> write_identity(const std::string& folder, const KeyPair& pair) {
    if (auto made = make_folder(folder); !made) return made;
    std::string text =
        "# A key of Fanfold. Whoever can read this file is whom it names: keep it to "
        "yourself.\npublic " +
        pair.public_key + "\nsecret " + pair.secret_key + "\n";
    auto written = write_file(folder + "/identity", text, 0600);
    explicit_bzero(text.data(), text.size());
    return written;
}

Result<void> write_public_key(const std::string& folder, const std::string& public_key) {
    if (auto made = make_folder(folder); !made) return made;
    return write_file(folder + "/broker.pub",
                      "# The public key of the broker; no secret.\n" + public_key + "\n", 0644);
}

Result<void> write_empty_allowed(const std::string& folder) {
    return write_file(
        folder + "/allowed",
        "# Who is let in: KEY USER ROLE,ROLE with the roles submit, work, gather and admin; a line "
        "each, from fanfold keygen.\n"
        "# What a user may take at most: limits USER jobs=N bytes=SIZE payload=SIZE fragments=N "
        "submissions=N (a minute) priority=N (the highest);\n"
        "# limits * … is for all others. The broker reads this at its start and on SIGHUP.\n",
        0600);
}

}  // namespace fanfold
