#include "shared/base/wakeup.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "shared/base/result.hpp"

namespace fanfold {

Wakeup::Wakeup() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (fd_ < 0) throw StartupError(std::string("cannot make an eventfd: ") + std::strerror(errno));
}

Wakeup::~Wakeup() { close(fd_); }

void Wakeup::wake() {
    std::uint64_t one = 1;
    (void)!write(fd_, &one, sizeof one);
}

void Wakeup::clear() {
    std::uint64_t count = 0;
    (void)!::read(fd_, &count, sizeof count);
}

}  // namespace fanfold
