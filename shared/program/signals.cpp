#include "shared/program/signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "shared/base/result.hpp"

namespace fanfold {

SignalReader::SignalReader() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    apply();
}
void SignalReader::also(int signal) {
    sigaddset(&signals_, signal);
    apply();
}
void SignalReader::apply() {
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    fd_ = signalfd(fd_, &signals_, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd_ < 0) throw StartupError(std::string("cannot make a signalfd: ") + std::strerror(errno));
}
SignalReader::~SignalReader() { close(fd_); }
int SignalReader::read() {
    signalfd_siginfo info{};
    if (::read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
    return static_cast<int>(info.ssi_signo);
}

}  // namespace fanfold
