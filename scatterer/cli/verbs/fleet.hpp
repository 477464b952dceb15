// Whom the program talks to: a broker, or a fleet of its own in this process. One thread makes it;
// its Scatterer is for any.
#pragma once

#include <memory>
#include <optional>

#include "fanfold/scatterer.hpp"
#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/options/command_line.hpp"

namespace fanfold {
class Embedded;
}

namespace fanfold::scatterer::cli {

class Fleet {
public:
    /// Connects to the broker. Throws FanfoldError when none answers. Unless `quiet`, the console
    /// is told what is waited for.
    Fleet(const CommonOptions& common, Console& console, bool quiet);
    /// Connects to the broker, or without one starts an embedded fleet. Throws UsageError for a
    /// function that an embedded fleet can't have.
    Fleet(const CommonOptions& common, const MapOptions& map, Console& console);
    ~Fleet();
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    Scatterer& scatterer() { return *scatterer_; }
    bool embedded() const { return embedded_ != nullptr; }

private:
    void connect(const CommonOptions& common, Console& console, bool quiet);
    void start(const CommonOptions& common, const MapOptions& map, Console& console);

    std::unique_ptr<Embedded> embedded_;
    std::optional<Scatterer> connected_;
    Scatterer* scatterer_ = nullptr;
};

}  // namespace fanfold::scatterer::cli
