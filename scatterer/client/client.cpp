#include "scatterer/client/client.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <iterator>
#include <utility>

#include "shared/log/logging.hpp"

namespace fanfold::scatterer {

namespace {
using namespace std::chrono_literals;
constexpr int most_at_once = 512;  // messages read from one socket before others get their turn
constexpr int most_rounds =
    4;  // of reading what was touched by reading, before others get the baton
constexpr auto look_after = 5ms;  // what lies in a block that is not full is sent then

std::string own_name() {
    char host[256] = "client";
    (void)gethostname(host, sizeof host - 1);
    return std::string(host) + "-" + std::to_string(getpid());
}

Options core_options(const ClientOptions& options) {
    return {.broker = options.broker,
            .name = options.name,
            .epoch = {.number = 0, .incarnation = net::random_number()},
            .connect_timeout = options.connect_timeout};
}

/// The thread is born with all signals blocked: they are the user's threads' business.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_;
};
}  // namespace

Client::Client(zmq::context_t& context, ClientOptions options)
    : context_(context),
      options_([&] {
          if (options.name.empty()) options.name = own_name();
          return std::move(options);
      }()),
      leadership_({.turn = [this](std::vector<pollfd>& items) { return turn(items); },
                   .look = [this] { look(); },
                   .errands = [this] { run_errands(); }}),
      core_(core_options(options_)) {
    look_timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (look_timer_ < 0)
        throw StartupError(std::string("cannot make a timer descriptor: ") + std::strerror(errno));
    open_control();
    step(ControlOpened{PeerId{control_.get(zmq::sockopt::routing_id)}});
    SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
}

Client::~Client() {
    stop();
    close(look_timer_);
}

// --- for any thread
// ------------------------------------------------------------------------------------------

Result<wire::Welcome> Client::wait_connected() {
    auto known = [this] {
        std::lock_guard lock(state_mutex_);
        return welcome_ || !failure_.empty();
    };
    leadership_.wait(state_changed_, known, {});
    std::lock_guard lock(state_mutex_);
    if (welcome_) return *welcome_;
    return fail(failure_);
}

wire::Welcome Client::welcome() const {
    std::lock_guard lock(state_mutex_);
    return welcome_.value_or(wire::Welcome{});
}

bool Client::hand_in(Call call) {
    {
        std::lock_guard lock(mail_mutex_);
        if (closed_) return false;
        mail_.push_back(std::move(call));
    }
    help();
    return true;
}

void Client::post(const JobId& job, std::vector<Event> events, std::shared_ptr<JobLink> link) {
    if (hand_in({.job = job, .events = std::move(events), .link = link, .answering = {}}) || !link)
        return;
    link->inbox->refuse(closed_text);
    leadership_.tell(link->inbox->changed());
    if (link->outbox) link->outbox->stop(closed_text, Outbox::Stop::refused);
}

template <class Wanted>
Result<Wanted> Client::wait_for_reply(std::uint64_t number, Question question) {
    auto answering = std::make_shared<Answering>();
    std::vector<Event> events;
    events.emplace_back(Ask{number, std::move(question)});
    if (!hand_in({.job = {}, .events = std::move(events), .link = {}, .answering = answering}))
        return fail(closed_text);
    auto answered = [&] {
        std::lock_guard lock(state_mutex_);
        return answering->reply.has_value();
    };
    leadership_.wait(answering->changed, answered, {});
    std::lock_guard lock(state_mutex_);
    auto& reply = *answering->reply;
    if (!reply) return fail(reply.error().text);
    if (auto* wanted = std::get_if<Wanted>(&*reply)) return std::move(*wanted);
    return fail("the broker at " + options_.broker +
                " has answered another question than was asked");
}

void Client::answer(const std::shared_ptr<Answering>& answering, Result<Reply> reply) {
    {
        std::lock_guard lock(state_mutex_);
        answering->reply = std::move(reply);
    }
    to_tell_.emplace_back(answering, &answering->changed);
}

Result<wire::Report> Client::ask(wire::Query query) {
    wire::Report all;
    do {
        query.number = next_question_++;
        auto report = wait_for_reply<wire::Report>(query.number, query);
        if (!report) return report;
        std::ranges::move(report->jobs, std::back_inserter(all.jobs));
        std::ranges::move(report->workers, std::back_inserter(all.workers));
        all.gatherers = std::move(report->gatherers);
        all.more = report->more && !(all.jobs.empty() && all.workers.empty());
        if (!all.jobs.empty()) query.after = all.jobs.back().job;
        if (!all.workers.empty()) query.selector = all.workers.back().name;
    } while (all.more);
    return all;
}

Result<wire::Found> Client::ask(wire::Find find) {
    find.number = next_question_++;
    return wait_for_reply<wire::Found>(find.number, find);
}

Result<wire::Retried> Client::ask(wire::Retry retry) {
    return wait_for_reply<wire::Retried>(next_question_++, retry);
}
Result<wire::Adjusted> Client::ask(wire::Adjust adjust) {
    return wait_for_reply<wire::Adjusted>(next_question_++, adjust);
}
Result<wire::Forgotten> Client::ask(wire::Forget forget) {
    return wait_for_reply<wire::Forgotten>(next_question_++, forget);
}

bool Client::take(const JobLink& link, std::deque<Delivery>& into, std::optional<Time> until) {
    Inbox& inbox = *link.inbox;
    leadership_.wait(
        inbox.changed(), [&] { return inbox.ready(); }, until);
    return inbox.take(into);
}

void Client::wait_located(const JobLink& link) {
    Inbox& inbox = *link.inbox;
    leadership_.wait(inbox.changed(), [&] { return inbox.located(); }, {});
}

void Client::look_soon(const std::shared_ptr<Outbox>& outbox) {
    std::lock_guard lock(outboxes_mutex_);
    outboxes_.push_back(outbox);
    arm_looks();
}

/// With the mutex of the outboxes.
void Client::arm_looks() {
    if (looks_armed_) return;
    looks_at_ = net::Loop::now() + look_after;
    looks_armed_ = true;
    itimerspec when{};
    when.it_value.tv_nsec = std::chrono::nanoseconds(look_after).count();
    timerfd_settime(look_timer_, 0, &when, nullptr);
}

void Client::stop() {
    std::lock_guard lock(stop_mutex_);
    if (!thread_.joinable()) return;
    leadership_.stop();
    thread_.join();
}

// --- with the baton: the sockets and the core
// ----------------------------------------------------------------

void Client::open_control() {
    control_ = net::connect(context_, zmq::socket_type::dealer, options_.broker,
                            net::random_peer_id('c'), net::proof_for(options_.keys, &handshakes_));
    control_touched_ = true;
    descriptors_changed_ = true;
}

void Client::open_blocks(const wire::Welcome& welcome) {
    std::string endpoint = net::choose_endpoint(welcome.blocks, options_.broker);
    // After a restart the broker may listen elsewhere; what was on its way there is sent again.
    if (blocks_.handle() && blocks_.get(zmq::sockopt::last_endpoint) == endpoint) return;
    if (endpoint.empty())
        throw StartupError("the broker at " + options_.broker +
                           " names no endpoint for blocks that can be used from here");
    blocks_ =
        net::connect(context_, zmq::socket_type::push, endpoint, {}, net::proof_for(options_.keys));
}

Client::GathererSocket* Client::gatherer_socket(const wire::GathererRef& gatherer) {
    auto& slot = gatherers_[gatherer.name];
    if (slot && slot->key == key_of(gatherer) && slot->public_key == gatherer.public_key &&
        !is_refused(*slot))
        return slot.get();
    slot.reset();  // an earlier life of it
    descriptors_changed_ = true;
    auto unusable = [&](const char* what, std::string why) {
        write_log(
            "client",
            {.level = Level::error, .what = what, .peer = gatherer.name, .detail = std::move(why)});
        return nullptr;
    };
    std::string endpoint = net::choose_endpoint(gatherer.collect, options_.broker);
    if (endpoint.empty()) return unusable("no endpoint of the gatherer can be used from here", "");
    auto made = std::make_unique<GathererSocket>();
    auto proof = net::proof_for(options_.keys, gatherer, endpoint,
                                options_.keys ? &made->handshakes : nullptr);
    if (!proof) return unusable("nothing is collected from the gatherer", proof.error().text);
    made->key = key_of(gatherer);
    made->public_key = gatherer.public_key;
    made->socket = net::connect(context_, zmq::socket_type::dealer, endpoint,
                                net::random_peer_id('c'), *proof);
    slot = std::move(made);
    return slot.get();
}

/// libzmq gives a connection up when its key is refused. The gatherer may have heard of the key
/// only after that: who asks again does so over another connection.
bool Client::is_refused(GathererSocket& gatherer) {
    bool refused = false;
    if (!gatherer.handshakes) return false;
    while (auto news = gatherer.handshakes->read()) {
        net::log_handshake("client", *news, "gatherer " + gatherer.key.name, options_.keys);
        refused = refused || *news == net::HandshakeWatch::News::key_refused;
    }
    return refused;
}

/// What can't get better by waiting is told as the broker would: by a refusal.
void Client::read_handshakes() {
    using News = net::HandshakeWatch::News;
    while (auto news = handshakes_ ? handshakes_->read() : std::nullopt) {
        auto trouble = net::trouble_of(*news, "the broker at " + options_.broker, options_.keys);
        trouble_ = trouble ? trouble->text : "";
        if (*news != News::key_refused && *news != News::not_understood) continue;
        step(FromBroker{wire::Refused{.code = wire::RefusalCode::not_allowed,
                                      .text = std::exchange(trouble_, {})}});
    }
}

void Client::read_mailbox() {
    std::deque<Call> calls;
    {
        std::lock_guard lock(mail_mutex_);
        calls.swap(mail_);
    }
    for (Call& call : calls) {
        if (call.link && links_.try_emplace(call.job, call.link).first->second != call.link) {
            call.link->inbox->refuse("job " + to_string(call.job) +
                                     " is held by a Job of this scatterer; use that "
                                     "one, or let go of it first");
            tell_later(*call.link);
            continue;
        }
        bool closes = false;
        for (Event& event : call.events) {
            if (call.answering) answers_.emplace(std::get<Ask>(event).number, call.answering);
            closes |= std::holds_alternative<CloseJob>(event);
            step(std::move(event));
        }
        if (closes) links_.erase(call.job);
    }
}

/// All of them, or those that were touched. What is read may touch others.
void Client::read_sockets(bool all) {
    if (all && handshakes_) read_handshakes();
    for (int round = 0; round < most_rounds && (all || unread()); ++round, all = false) {
        if (all || control_touched_) control_touched_ = !read_control();
        for (auto& [name, gatherer] : gatherers_)
            if (gatherer && (all || gatherer->touched)) read_gatherer(*gatherer);
    }
}

bool Client::unread() const {
    return control_touched_ ||
           std::any_of(gatherers_.begin(), gatherers_.end(),
                       [](const auto& one) { return one.second && one.second->touched; });
}

/// Whether it is empty.
bool Client::read_control() {
    for (int i = 0; i < most_at_once; ++i) {
        auto incoming = net::receive(control_);
        if (!incoming) return true;
        if (incoming->message) compressed_.learn(*incoming->message);
        if (incoming->message)
            step(FromBroker{std::move(*incoming->message), std::move(incoming->body)});
        else step(Garbled{{options_.broker}, incoming->message.error().text});
    }
    return false;
}

void Client::read_gatherer(GathererSocket& from) {
    GathererKey key = from.key;
    for (int i = 0; i < most_at_once; ++i) {
        auto incoming = net::receive(from.socket);
        from.touched = incoming.has_value();
        if (!incoming) return;
        if (incoming->message)
            step(FromGatherer{key, std::move(*incoming->message), std::move(incoming->body)});
        else step(Garbled{{key.name}, incoming->message.error().text});
    }
}

void Client::step(Event event) {
    core_.step(net::Loop::now(), std::move(event), actions_);
    // An action may cause another step.
    auto actions = std::exchange(actions_, {});
    for (Action& action : actions) std::visit([this](auto& one) { act(one); }, action);
    actions.clear();
    if (actions_.empty()) actions_ = std::move(actions);
}

}  // namespace fanfold::scatterer
