#include "shared/security/handshake.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"

namespace fanfold::net {

namespace {
constexpr int watched_events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_DISCONNECTED;

std::optional<HandshakeWatch::News> news_of(int event) {
    switch (event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return HandshakeWatch::News::accepted;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return HandshakeWatch::News::key_refused;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: return HandshakeWatch::News::not_understood;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: return HandshakeWatch::News::broken_off;
        case ZMQ_EVENT_DISCONNECTED: return HandshakeWatch::News::lost;
        default: return std::nullopt;  // numbers that are not ours
    }
}

}  // namespace

zmq::socket_t monitor(zmq::context_t& context, zmq::socket_t& watched, int events) {
    static std::atomic<std::uint64_t> number{0};
    std::string endpoint = inproc_endpoint("monitor-" + std::to_string(++number));
    zmq::socket_t news(context, zmq::socket_type::pair);
    news.set(zmq::sockopt::linger, 0);
    news.set(zmq::sockopt::rcvhwm, 0);
    if (zmq_socket_monitor(watched.handle(), endpoint.c_str(), events) != 0) throw zmq::error_t();
    news.connect(endpoint);
    return news;
}

void end_monitor(void* watched) { zmq_socket_monitor(watched, nullptr, 0); }

std::optional<MonitorEvent> read_event(zmq::socket_t& news) {
    zmq::message_t frame;
    if (!news.recv(frame, zmq::recv_flags::dontwait)) return std::nullopt;
    std::uint16_t number = 0;
    std::int32_t value = 0;
    if (frame.size() >= sizeof number + sizeof value) {
        std::memcpy(&number, frame.data(), sizeof number);
        std::memcpy(&value, frame.data<char>() + sizeof number, sizeof value);
    }
    while (frame.more()) (void)news.recv(frame);
    return MonitorEvent{.number = number, .value = value};
}

HandshakeWatch::HandshakeWatch(zmq::context_t& context, zmq::socket_t& watched)
    : watched_(watched.handle()), news_(monitor(context, watched, watched_events)) {}

HandshakeWatch::~HandshakeWatch() { end_monitor(watched_); }

std::optional<HandshakeWatch::News> HandshakeWatch::read() {
    while (auto event = read_event(news_)) {
        auto news = news_of(event->number);
        if (news == News::lost && last_ != News::accepted) continue;  // there was none
        if (news && std::exchange(last_, news) != news) return news;
    }
    return std::nullopt;
}

std::optional<Error> trouble_of(HandshakeWatch::News news, const std::string& with,
                                const std::optional<Keys>& keys) {
    switch (news) {
        case HandshakeWatch::News::accepted:
        case HandshakeWatch::News::lost: return std::nullopt;
        case HandshakeWatch::News::key_refused:
            return Error{with + " does not let this key in: " + (keys ? keys->own.public_key : "") +
                         "; have it added to the broker's file of allowed keys"};
        case HandshakeWatch::News::not_understood:
            if (!keys)
                return Error{with +
                             " wants keys; name the folder of yours with --keys (fanfold keygen "
                             "makes them)"};
            return Error{with +
                         " has no keys, and this program uses them; start it with --keys, or this "
                         "one without"};
        case HandshakeWatch::News::broken_off:
            if (!keys) return std::nullopt;
            return Error{with +
                         " breaks connections off: perhaps it has another key than the one that is "
                         "known here"};
    }
    return std::nullopt;
}

void log_handshake(const char* component, HandshakeWatch::News news, const std::string& with,
                   const std::optional<Keys>& keys) {
    auto trouble = trouble_of(news, with, keys);
    Level level = news == HandshakeWatch::News::broken_off ? Level::debug : Level::warn;
    if (trouble)
        write_log(component, {.level = level, .what = "no connection", .detail = trouble->text});
}

}  // namespace fanfold::net
