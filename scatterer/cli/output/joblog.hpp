// The job log: a line for each fragment as its result comes, in GNU parallel's tab-separated
// columns Seq Host Starttime JobRuntime Send Receive Exitval Signal Command. One thread.
//
// Seq is the index plus one, Host the worker's name, Starttime by the worker's clock, Send 0,
// Receive the bytes of the result. Exitval is 0 for a value, and the exit code of a command that
// exited. It is -1 for anything else that ended without a value; after a timeout Signal is then 15,
// as parallel has it. Of a command ended by a signal Exitval is 0 and Signal says which. Newlines
// in the command become NUL, as parallel writes them. A fragment that was cancelled has no line: it
// has not run to an end, and a map that is resumed runs it again.
#pragma once

#include <string>
#include <string_view>

#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/output/fragments.hpp"

namespace fanfold::scatterer::cli {

inline constexpr std::string_view joblog_heading =
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// The line, with its newline.
std::string joblog_line(const Fragment& fragment, std::string_view command);

class Joblog {
public:
    /// Makes the file, or empties it but for its first bytes, which an earlier map has written.
    /// Throws SystemError.
    explicit Joblog(const std::string& path, std::uint64_t keep_bytes = 0);
    ~Joblog();
    Joblog(const Joblog&) = delete;
    Joblog& operator=(const Joblog&) = delete;

    /// The line waits for flush(): one that is in the file says that the fragment's output was
    /// written.
    void add(const Fragment& fragment, std::string_view command);
    bool wants_flush() const { return lines_.size() > limits::joblog_bytes; }
    /// Throws SystemError when the file can't be written.
    void flush();

private:
    std::string path_;
    std::string lines_;
    int fd_;
};

}  // namespace fanfold::scatterer::cli
