// Results from a job to wherever they are wanted: printed, logged, kept in a folder. One thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "fanfold/scatterer.hpp"
#include "scatterer/cli/base/output.hpp"
#include "scatterer/cli/input/input_book.hpp"
#include "scatterer/cli/input/numbering.hpp"
#include "scatterer/cli/output/joblog.hpp"
#include "scatterer/cli/output/printer.hpp"
#include "scatterer/cli/output/results_folder.hpp"
#include "scatterer/cli/output/time_left.hpp"

namespace fanfold::scatterer::cli {

struct CollectorOptions {
    bool commands = false;  // values are outputs of commands
    bool tag = false;
    InputBook* book = nullptr;           // where inputs are remembered, if they are
    const Numbering* numbers = nullptr;  // where not every input is a fragment
    Joblog* joblog = nullptr;
    ResultsFolder* folder = nullptr;
    const FragmentList* only = nullptr;  // where not all are wanted
    bool failures_only = false;
};

class Collector {
public:
    struct Counts {
        std::uint64_t values = 0;
        std::uint64_t failures = 0;
        RunTimes run_times{};
    };

    Collector(CollectorOptions options, Printer& printer, Output& output)
        : options_(options), printer_(printer), output_(output) {}

    /// Collects until the job's end, or until `between`, called after each run and several times a
    /// second, says that it is enough. Output is written whenever no more is there at once.
    void collect(Job& job, const std::function<bool()>& between);

    const Counts& counts() const { return counts_; }

private:
    bool wants(const Fragment& fragment) const;
    void take(const ResultRun& run);
    void take(Fragment fragment);
    void flush();

    CollectorOptions options_;
    Printer& printer_;
    Output& output_;
    Counts counts_;
    std::string scratch_;
};

}  // namespace fanfold::scatterer::cli
