// Job logs: a line that was written reads back as that one fragment, whatever the worker's name and
// the command hold; a file of any bytes is read or refused.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/output/joblog.hpp"
#include "scatterer/cli/output/joblog_past.hpp"
#include "shared/base/result.hpp"
#include "tests/fuzz/bytes.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::scatterer::cli;

/// A file that is nowhere on disk.
class MemoryFile {
public:
    explicit MemoryFile(const std::string& text) : fd_(::memfd_create("joblog", MFD_CLOEXEC)) {
        FANFOLD_CHECK(fd_ >= 0 &&
                      ::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    ~MemoryFile() { ::close(fd_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

private:
    int fd_;
};

void write_and_read(fuzz::Bytes& input) {
    Fragment fragment{.index = input.number()};
    FragmentResult failure;
    failure.outcome = static_cast<FragmentOutcome>(input.below(5));
    failure.exit_code = static_cast<int>(input.number());
    failure.signal = static_cast<int>(input.number());
    if (input.flag()) fragment.failure = &failure;
    fragment.started = std::chrono::microseconds(static_cast<std::int64_t>(input.word()));
    fragment.elapsed = std::chrono::microseconds(static_cast<std::int64_t>(input.word()));
    const std::string worker(input.text(32));
    fragment.worker = worker;
    const std::string command(input.rest());

    MemoryFile file(std::string(joblog_heading) + joblog_line(fragment, command));
    if (fragment.index == UINT64_MAX) return;  // no Seq has this number
    JoblogPast past(file.path(), JoblogPast::Done::listed);
    FANFOLD_CHECK(past.last() == fragment.index + 1);
    FANFOLD_CHECK(past.done(fragment.index + 1, command));
    FANFOLD_CHECK(fragment.index == 0 || !past.done(fragment.index, command));
}

void read_any(fuzz::Bytes& input) {
    const bool headed = input.flag();
    const std::string text(input.rest());
    MemoryFile file(headed ? std::string(joblog_heading) + text : text);
    try {
        JoblogPast past(file.path(), JoblogPast::Done::succeeded);
        FANFOLD_CHECK(past.bytes() <= joblog_heading.size() + text.size());
        (void)past.done(past.last(), "echo");
    } catch (const SystemError& error) {
        FANFOLD_CHECK(*error.what() != '\0');
    }
}
}  // namespace

FANFOLD_FUZZ_TARGET(cli_joblog) {
    fuzz::Bytes input(data, size);
    input.flag() ? write_and_read(input) : read_any(input);
}
