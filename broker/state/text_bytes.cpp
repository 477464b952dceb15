#include "broker/state/text_bytes.hpp"

#include <string>
#include <vector>

namespace fanfold::broker {

namespace {
constexpr std::size_t bytes_each = 16;  // of a text, however short
std::size_t bytes_of(const std::string& text) { return text.size() + bytes_each; }
std::size_t bytes_of(const wire::Resource& resource) { return bytes_of(resource.name); }
template <class T>
std::size_t bytes_of(const std::vector<T>& all) {
    std::size_t bytes = 0;
    for (const T& one : all) bytes += bytes_of(one);
    return bytes;
}
std::size_t bytes_of(const wire::GathererRef& gatherer) {
    return bytes_of(gatherer.name) + bytes_of(gatherer.results) + bytes_of(gatherer.collect) +
           bytes_of(gatherer.public_key);
}
}  // namespace

std::size_t text_bytes(const wire::Hello& hello) {
    return bytes_of(hello.name) + bytes_of(hello.functions) + bytes_of(hello.idempotent) +
           bytes_of(hello.labels) + bytes_of(hello.resources) + bytes_of(hello.gatherer);
}

std::size_t text_bytes(const wire::JobSpec& spec) {
    return bytes_of(spec.function) + bytes_of(spec.title) + bytes_of(spec.owner.bytes) +
           bytes_of(spec.cwd) + bytes_of(spec.environment) + bytes_of(spec.preferred_gatherer) +
           bytes_of(spec.key) + bytes_of(spec.require) + bytes_of(spec.resources) +
           bytes_of(spec.cwd_identity) + spec.outer.size() * sizeof(wire::OuterAttempt);
}

}  // namespace fanfold::broker
