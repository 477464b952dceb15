#include "shared/security/gatekeeper.hpp"

#include <array>

#include "shared/base/thread.hpp"
#include "shared/log/logging.hpp"
#include "shared/security/roles.hpp"

namespace fanfold::net {

namespace {
constexpr auto endpoint = "inproc://zeromq.zap.01";  // where libzmq asks
constexpr std::size_t key_bytes = 32;

/// libzmq's question: version, number, domain, address, routing id, mechanism, credentials.
struct Question {
    std::string version, number, domain, address, mechanism, credentials;
};

std::optional<Question> read_question(zmq::socket_t& socket) {
    std::vector<std::string> frames;
    zmq::message_t frame;
    do {
        if (!socket.recv(frame, zmq::recv_flags::dontwait)) return std::nullopt;
        frames.push_back(frame.to_string());
    } while (frame.more());
    frames.resize(7);
    return Question{.version = frames[0],
                    .number = frames[1],
                    .domain = frames[2],
                    .address = frames[3],
                    .mechanism = frames[5],
                    .credentials = frames[6]};
}

std::string in_z85(const std::string& key) {
    std::array<char, key_bytes * 5 / 4 + 1> text{};
    if (key.size() != key_bytes ||
        !zmq_z85_encode(text.data(), reinterpret_cast<const std::uint8_t*>(key.data()), key.size()))
        return {};
    return text.data();
}
}  // namespace

Gatekeeper::Gatekeeper(zmq::context_t& context, Options options)
    : options_(std::move(options)), arrivals_(options_.component) {
    require_curve();
    socket_ = zmq::socket_t(context, zmq::socket_type::rep);
    socket_.set(zmq::sockopt::linger, 0);
    try {
        socket_.bind(endpoint);
    } catch (const zmq::error_t& error) {
        throw StartupError(std::string("cannot watch over this process's sockets: ") +
                           error.what());
    }
    thread_ = require(start_thread([this] { run(); }));
}

Gatekeeper::~Gatekeeper() {
    loop_.stop();
    thread_.join();
}

void Gatekeeper::replace(const std::vector<wire::AllowedKey>& keys) {
    std::map<std::string, Sender> table;
    for (const auto& key : keys)
        table[key.public_key] = {
            .user = key.user, .roles = {key.roles}, .public_key = key.public_key};
    std::lock_guard lock(mutex_);
    table_ = std::move(table);
}

std::optional<Sender> Gatekeeper::sender_of(const std::string& user_id) const {
    if (user_id.empty() && options_.inproc_is_trusted) return Sender{};
    std::lock_guard lock(mutex_);
    if (!table_) return std::nullopt;
    auto known = table_->find(user_id);
    return known == table_->end() ? std::nullopt : std::optional(known->second);
}

tl::expected<Sender, Denied> Gatekeeper::admit(const Incoming& incoming) const {
    const char* what =
        incoming.message ? wire::name_of(*incoming.message) : "bytes that are no message";
    auto sender = sender_of(incoming.user_id);
    if (!sender)
        return tl::unexpected(
            Denied{incoming.from, {.user = {}, .roles = {}, .public_key = incoming.user_id}, what});
    bool own = incoming.user_id.empty();
    if (own || !incoming.message || may(sender->roles, *incoming.message))
        return *std::move(sender);
    return tl::unexpected(Denied{incoming.from, *std::move(sender), what});
}

void Gatekeeper::expect(const std::string& public_key) {
    std::lock_guard lock(mutex_);
    expected_.insert(public_key);
}

std::uint64_t Gatekeeper::refused() const {
    std::lock_guard lock(mutex_);
    return refused_;
}

void Gatekeeper::run() {
    pthread_setname_np(pthread_self(), "fanfold-keys");
    loop_.watch(socket_, [this] { answer(); });
    loop_.watch(monitors_to_watch_.fd(), [this] { take_monitors(); });
    loop_.run([this] { return arrivals_.next_look(); }, [this] { arrivals_.look(Loop::now()); });
    socket_.close();
    monitors_.clear();
}

void Gatekeeper::take_monitors() {
    for (zmq::socket_t& taken : monitors_to_watch_.take()) {
        zmq::socket_t& monitor = monitors_.emplace_back(std::move(taken));
        loop_.watch(monitor, [this, &monitor] { arrivals_.read(monitor, Loop::now()); });
    }
}

void Gatekeeper::answer() {
    auto question = read_question(socket_);
    if (!question) return;
    std::string key =
        question->mechanism == "CURVE" ? in_z85(question->credentials) : std::string{};
    // 300: it may come again; 400: libzmq's client gives up for good.
    std::string code = "400";
    switch (judge(key, question->address)) {
        case Verdict::known: code = "200"; break;
        case Verdict::too_early: code = "300"; break;
        case Verdict::unknown: break;
    }
    bool known = code == "200";
    const std::array<std::string, 6> reply{question->version,
                                           question->number,
                                           code,
                                           known ? "known" : "unknown key",
                                           known ? key : "",
                                           ""};
    for (std::size_t i = 0; i < reply.size(); ++i)
        socket_.send(zmq::buffer(reply[i]),
                     i + 1 < reply.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
}

Gatekeeper::Verdict Gatekeeper::judge(const std::string& public_key, const std::string& address) {
    std::lock_guard lock(mutex_);
    if (table_ && table_->contains(public_key)) return Verdict::known;
    if (expected_.erase(public_key) > 0) return Verdict::unknown;
    if (!table_) return Verdict::too_early;
    ++refused_;
    log_refusal(public_key, address);
    return Verdict::unknown;
}

/// With the mutex.
void Gatekeeper::log_refusal(const std::string& public_key, const std::string& address) {
    auto more = lines_.take(Loop::now());
    if (!more) return;
    std::string detail =
        "key " + public_key +
        (*more > 0 ? ", and " + std::to_string(*more) + " more refusals since the last line" : "");
    write_log(options_.component, {.level = Level::warn,
                                   .what = "unknown key refused",
                                   .peer = address,
                                   .detail = std::move(detail)});
}

}  // namespace fanfold::net
