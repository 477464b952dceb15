// A fresh folder for each command that is given none, under one base folder, which is the
// guardian's. Belongs to the guardian.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>

namespace fanfold::worker::guardian {

class WorkFolders {
public:
    /// An empty base: commands get no folders.
    explicit WorkFolders(std::string base) : base_(std::move(base)) {}

    bool wanted() const { return !base_.empty(); }
    /// Makes the command's folder, for its owner alone. Leaves errno and returns an empty text when
    /// it can't.
    std::string make(std::uint64_t id) const;
    /// The command has ended: removes its folder with all that is in it, on a process of its own
    /// when that may take long. Returns names of what is in it: the first ones, and that there are
    /// more.
    std::string drop(std::uint64_t id);
    const std::set<pid_t>& removers() const { return removers_; }
    /// A child has ended, which may have been such a process.
    void take_remover(pid_t pid) { removers_.erase(pid); }
    /// All commands are dead: removes the base folder.
    void drop_all() const;

private:
    std::string path_of(std::uint64_t id) const { return base_ + "/" + std::to_string(id); }

    std::string base_;
    std::set<pid_t> removers_;
};

}  // namespace fanfold::worker::guardian
