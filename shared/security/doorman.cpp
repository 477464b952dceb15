#include "shared/security/doorman.hpp"

#include <pthread.h>

#include <utility>

#include "shared/base/result.hpp"
#include "shared/base/thread.hpp"

namespace fanfold::net {

Doorman::Doorman(zmq::socket_t monitor)
    : monitor_(std::move(monitor)), thread_(require(start_thread([this] {
          pthread_setname_np(pthread_self(), "fanfold-door");
          loop_.watch(monitor_, [this] { arrivals_.read(monitor_, Loop::now()); });
          loop_.run([] { return Time::max(); }, [] {});
          monitor_.close();
      }))) {}

Doorman::~Doorman() {
    loop_.stop();
    thread_.join();
}

}  // namespace fanfold::net
