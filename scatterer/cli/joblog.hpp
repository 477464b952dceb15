// The job log: a line for each fragment as its result comes, in GNU parallel's tab-separated columns
// Seq Host Starttime JobRuntime Send Receive Exitval Signal Command. One thread.
//
// Seq is the index plus one, Host the worker's name, Starttime by the worker's clock, Send 0, Receive the bytes of the result.
// Exitval is 0 for a value, and the exit code of a command that exited. It is -1 for anything else that ended without a value;
// after a timeout Signal is then 15, as parallel has it. Of a command ended by a signal Exitval is 0 and Signal says which.
// Newlines in the command become NUL, as parallel writes them.
#pragma once

#include <string>
#include <string_view>

#include "scatterer/cli/fragments.hpp"

namespace fanfold::scatterer::cli {

inline constexpr std::string_view joblog_heading = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// The line, with its newline.
std::string joblog_line(const Fragment& fragment, std::string_view command);

class Joblog {
public:
    /// Empties the file, or makes it. Throws SystemError.
    explicit Joblog(const std::string& path);
    ~Joblog();
    Joblog(const Joblog&) = delete;
    Joblog& operator=(const Joblog&) = delete;

    void add(const Fragment& fragment, std::string_view command);
    /// Throws SystemError when the file can't be written.
    void flush();

private:
    std::string path_;
    std::string lines_;
    int fd_;
};

}  // namespace fanfold::scatterer::cli
