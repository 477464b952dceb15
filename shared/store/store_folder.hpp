// The folder of a store, held by one process at a time. On the thread that opens the store.
#pragma once

#include <string>

namespace fanfold {

class StoreFolder {
public:
    struct Options {
        std::string path;  // made if it is not there
        std::string name;  // of the files in it
    };
    /// Throws StartupError naming the folder and the way out: it can't be made or written, it is on
    /// a network filesystem, or another process holds it.
    explicit StoreFolder(const Options& options);
    ~StoreFolder();
    StoreFolder(const StoreFolder&) = delete;
    StoreFolder& operator=(const StoreFolder&) = delete;

    /// Where the database is, in a file that others can't read. It may be empty.
    const std::string& database() const { return database_; }

private:
    std::string database_;
    int lock_ = -1;
};

/// Throws StartupError about the store's folder.
[[noreturn]] void refuse_state(const std::string& why);

}  // namespace fanfold
