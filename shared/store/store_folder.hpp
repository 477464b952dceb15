// The folder of a store, held by one process at a time. On the thread that opens the store.
#pragma once

#include <string>

namespace fanfold {

class StoreFolder {
public:
    /// `database` is the path of the database file. Makes it, and its folder, if they are not
    /// there; others can't read it. Throws StartupError naming the folder and the way out: it can't
    /// be made or written, it is on a network filesystem, or another process holds it.
    explicit StoreFolder(const std::string& database);
    ~StoreFolder();
    StoreFolder(const StoreFolder&) = delete;
    StoreFolder& operator=(const StoreFolder&) = delete;

private:
    int lock_ = -1;
};

/// What the file says, which is `first` where there is none yet. Whoever holds the folder calls it.
/// Throws StartupError where it can't be read or written.
std::string kept_text(const std::string& path, const std::string& first);

/// Throws StartupError about the store's folder.
[[noreturn]] void refuse_state(const std::string& why);

}  // namespace fanfold
