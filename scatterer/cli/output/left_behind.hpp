// What people must know of commands that ran in fresh folders, for the worker has not theirs: that
// it is so, once for a job, and what they have left there, which is gone. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/output/fragments.hpp"

namespace fanfold::scatterer::cli {

class LeftBehind {
public:
    explicit LeftBehind(Console& console) : console_(console) {}

    void take(const Fragment& fragment, const CommandOutput& output) {
        if (!output.left) return;
        const std::string worker(fragment.worker);
        if (!told_)
            console_.say("worker " + worker +
                         " has not this folder, or may not write there: commands run in fresh "
                         "folders there; see --cwd");
        told_ = true;
        if (output.left->empty() || named_ > most_named) return;
        if (++named_ > most_named) return console_.say("more is left behind; no more is named");
        console_.say("left behind on worker " + worker + " by fragment " +
                     std::to_string(fragment.index + 1) +
                     ", and gone: " + std::string(*output.left) + "; see --cwd");
    }

private:
    static constexpr std::uint64_t most_named = 10;
    Console& console_;
    bool told_ = false;
    std::uint64_t named_ = 0;
};

}  // namespace fanfold::scatterer::cli
