#include "scatterer/cli/output/joblog.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/output.hpp"
#include "shared/base/text.hpp"

namespace fanfold::scatterer::cli {

namespace {

struct ExitAndSignal {
    int exit_value = 0;
    int signal = 0;
};

ExitAndSignal exit_and_signal(const FragmentResult* failure) {
    if (failure == nullptr) return {0, 0};
    switch (failure->outcome) {
        case FragmentOutcome::value: return {0, 0};
        case FragmentOutcome::timeout: return {-1, 15};
        case FragmentOutcome::crashed:
        case FragmentOutcome::cancelled: return {-1, failure->signal};
        case FragmentOutcome::failed: break;
    }
    if (failure->exit_code >= 0) return {failure->exit_code, 0};
    return failure->signal > 0 ? ExitAndSignal{0, failure->signal} : ExitAndSignal{-1, 0};
}

}  // namespace

std::string joblog_line(const Fragment& fragment, std::string_view command) {
    ExitAndSignal end = exit_and_signal(fragment.failure);
    std::size_t received =
        fragment.failure ? fragment.failure->output.size() : fragment.value.size();
    char numbers[160];
    std::snprintf(numbers, sizeof numbers, "\t%.3f\t%10.3f\t0\t%zu\t%d\t%d\t",
                  static_cast<double>(fragment.started.count()) / 1e6,
                  static_cast<double>(fragment.elapsed.count()) / 1e6, received, end.exit_value,
                  end.signal);
    std::string line = std::to_string(fragment.index + 1) + '\t';
    line += fragment.worker.empty()
                ? ":"
                : printable(
                      fragment.worker);  // a worker says what it is called: it must not forge lines
    line += numbers;
    std::size_t at = line.size();
    line += command;
    std::replace(line.begin() + static_cast<std::ptrdiff_t>(at), line.end(), '\n', '\0');
    line += '\n';
    return line;
}

Joblog::Joblog(const std::string& path, std::uint64_t keep_bytes)
    : path_(path),
      fd_(::open(path.c_str(), O_WRONLY | O_CREAT | (keep_bytes == 0 ? O_TRUNC : 0) | O_CLOEXEC,
                 0666)) {
    if (fd_ < 0) throw system_error("write the job log " + path_);
    if (keep_bytes == 0) {
        lines_ = joblog_heading;
    } else if (auto at = static_cast<off_t>(keep_bytes);
               ::ftruncate(fd_, at) != 0 || ::lseek(fd_, at, SEEK_SET) != at) {
        int why = errno;
        ::close(fd_);
        errno = why;
        throw system_error("append to the job log " + path_);
    }
    flush();
}

Joblog::~Joblog() { ::close(fd_); }

void Joblog::add(const Fragment& fragment, std::string_view command) {
    if (fragment.failure && fragment.failure->outcome == FragmentOutcome::cancelled) return;
    lines_ += joblog_line(fragment, command);
}

void Joblog::flush() {
    if (lines_.empty()) return;
    if (!write_all(fd_, lines_)) throw system_error("write the job log " + path_);
    lines_.clear();
}

}  // namespace fanfold::scatterer::cli
