// From inputs to fragments: reads sources, fills in the command, adds to a job, seals it. run()
// belongs to one thread, which may be another than the one that collects; stop() and the counters
// are for any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "fanfold/scatterer.hpp"
#include "scatterer/cli/input/input_book.hpp"
#include "scatterer/cli/input/numbering.hpp"
#include "scatterer/cli/input/pipe_blocks.hpp"
#include "scatterer/cli/options/command_line.hpp"
#include "scatterer/cli/output/joblog_past.hpp"
#include "shared/base/wakeup.hpp"

namespace fanfold::scatterer::cli {

class Feeder {
public:
    /// Opens what is to be read. Throws UsageError, and SystemError for a file that is not there.
    explicit Feeder(const MapOptions& options);
    ~Feeder();
    Feeder(const Feeder&) = delete;
    Feeder& operator=(const Feeder&) = delete;

    /// The job's title: the command as it was typed, or the function's name.
    const std::string& title() const { return title_; }

    /// Inputs that the job log lists as done become no fragments. Nothing is added before the last
    /// listed input was read and gives the command that the log has (with --pipe the command alone
    /// is compared). Both arguments must outlive this object.
    void leave_out(const JoblogPast& past, Numbering& numbers) {
        past_ = &past;
        numbers_ = &numbers;
    }

    /// Adds all inputs to the job and seals it. Sends what is gathered whenever the input lets it
    /// wait. Ends early after stop(). Throws SystemError for input that can't be read or
    /// understood, FanfoldError as Job::add does. With a book, each input is remembered there
    /// before it is added.
    void run(Job& job, InputBook* book);
    /// From any thread, also while run() waits for input.
    void stop();

    /// Calls `use` with each command line, filled in, instead of running any, until it returns
    /// false.
    void each_command(const std::function<bool(const std::string&)>& use);

    /// How many there will be, where that is known before all are read.
    std::optional<std::uint64_t> total() const;

private:
    void make_templates(const CommandWords& words, const Columns& names);
    void open_pipe();
    void feed_blocks(Job& job, InputBook* book);
    void feed_plain(Job& job);
    void feed_records(Job& job, InputBook* book);
    struct Numbered {
        std::uint64_t number = 0;  // of the input, from 0
        Record record{};
    };
    std::vector<std::string> argv_of(const Columns& values, std::uint64_t number) const;
    std::string tag_of(const Columns& values, std::uint64_t number) const;
    void pace(Job& job);
    void add_record(Job& job, InputBook* book, const Numbered& input);
    void add_payload(Job& job, std::uint64_t number);
    bool is_done(std::uint64_t number, std::string_view command);
    void append_payload(std::string_view input, std::uint64_t number);
    std::string command_of(const Numbered& input) const;

    template <class Source>
    bool wait_for(Source& source, int descriptor, Job* job);

    const MapOptions& options_;
    std::optional<Template> template_;
    std::optional<Template> tag_;
    std::string title_;
    std::optional<Inputs> inputs_;
    std::optional<PipeBlocks> blocks_;
    std::optional<std::uint64_t> known_total_;
    int pipe_descriptor_ = 0;
    const JoblogPast* past_ = nullptr;
    Numbering* numbers_ = nullptr;
    std::string payload_;
    std::chrono::steady_clock::time_point next_at_;  // with --delay
    Wakeup wakeup_;
    std::atomic<bool> stopped_{false};
    std::atomic<bool> sealed_{false};
    std::atomic<std::uint64_t> added_{0};
    std::atomic<std::uint64_t> left_out_{0};
};

/// A MessagePack payload for `fanfold.exec`: [argv, stdin or nil].
void append_exec_payload(std::string& payload, const std::vector<std::string>& argv,
                         const std::string* input);

}  // namespace fanfold::scatterer::cli
