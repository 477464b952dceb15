#include "scatterer/client.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "shared/logging.hpp"

namespace fanfold::scatterer {

namespace {
using namespace std::chrono_literals;
constexpr auto flush_after = 5ms;          // a block that is not full waits so long for more
constexpr int goodbye_milliseconds = 500;  // for what is still to be sent at the end
constexpr int most_at_once = 512;          // messages read from one socket before others get their turn
const std::string closed_text = "the scatterer was closed";

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

std::string ended_text(const JobId& job, wire::Outcome outcome, const std::string& reason) {
    return "job " + to_string(job) + " has ended as " + wire::to_string(outcome) + (reason.empty() ? "" : " (" + reason + ")") +
           "; it takes no further fragments";
}
}  // namespace

Client::Client(zmq::context_t& context, ClientOptions options)
    : context_(context),
      options_([&] {
          if (options.name.empty()) options.name = own_name();
          return std::move(options);
      }()),
      core_(core_options(options_)) {
    open_control();
    flush_timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (flush_timer_ < 0) throw StartupError(std::string("cannot make a timer descriptor: ") + std::strerror(errno));
    loop_.watch(mailbox_.fd(), [this] { read_mailbox(); });
    loop_.watch(flush_timer_, [this] { read_flush_timer(); });
    SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
}

Client::~Client() {
    stop();
    close(flush_timer_);
}

// --- for any thread ---------------------------------------------------------------------------------------------

Result<wire::Welcome> Client::wait_connected() {
    std::unique_lock lock(state_mutex_);
    state_changed_.wait(lock, [this] { return welcome_ || !failure_.empty() || stopped_; });
    if (welcome_) return *welcome_;
    return fail(failure_.empty() ? closed_text : failure_);
}

wire::Welcome Client::welcome() const {
    std::lock_guard lock(state_mutex_);
    return welcome_.value_or(wire::Welcome{});
}

bool Client::hand_in(Call call) {
    std::lock_guard lock(state_mutex_);
    if (stopped_) return false;
    mailbox_.post(std::move(call));
    return true;
}

void Client::post(const JobId& job, std::vector<Event> events, std::shared_ptr<JobLink> link) {
    if (hand_in({.job = job, .events = std::move(events), .link = link, .answer = {}}) || !link) return;
    link->inbox->refuse(closed_text);
    link->inbox->wake();
    if (link->outbox) link->outbox->stop(closed_text, Outbox::Stop::refused);
}

template <class Wanted>
Result<Wanted> Client::wait_for_reply(std::uint64_t number, Question question) {
    auto answer = std::make_shared<std::promise<Result<Reply>>>();
    auto future = answer->get_future();
    std::vector<Event> events;
    events.emplace_back(Ask{number, std::move(question)});
    if (!hand_in({.job = {}, .events = std::move(events), .link = {}, .answer = std::move(answer)})) return fail(closed_text);
    auto reply = future.get();
    if (!reply) return fail(reply.error().text);
    if (auto* wanted = std::get_if<Wanted>(&*reply)) return std::move(*wanted);
    return fail("the broker at " + options_.broker + " has answered another question than was asked");
}

Result<wire::Report> Client::ask(wire::Query query) {
    query.number = next_question_++;
    return wait_for_reply<wire::Report>(query.number, query);
}

Result<wire::Found> Client::ask(wire::Find find) {
    find.number = next_question_++;
    return wait_for_reply<wire::Found>(find.number, find);
}

Result<wire::Retried> Client::ask(wire::Retry retry) { return wait_for_reply<wire::Retried>(next_question_++, retry); }
Result<wire::Adjusted> Client::ask(wire::Adjust adjust) { return wait_for_reply<wire::Adjusted>(next_question_++, adjust); }
Result<wire::Forgotten> Client::ask(wire::Forget forget) { return wait_for_reply<wire::Forgotten>(next_question_++, forget); }

void Client::look_after(const std::shared_ptr<Outbox>& outbox) {
    std::lock_guard lock(outboxes_mutex_);
    std::erase_if(outboxes_, [](const auto& one) { return one.expired(); });
    outboxes_.push_back(outbox);
}

void Client::flush_soon() {
    if (flush_armed_.exchange(true)) return;
    itimerspec when{};
    when.it_value.tv_nsec = std::chrono::nanoseconds(flush_after).count();
    timerfd_settime(flush_timer_, 0, &when, nullptr);
}

void Client::stop() {
    std::lock_guard lock(stop_mutex_);
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
}

// --- the thread -------------------------------------------------------------------------------------------------

void Client::run() {
    pthread_setname_np(pthread_self(), "fanfold-client");
    std::string why = closed_text;
    try {
        step(ControlOpened{PeerId{control_.get(zmq::sockopt::routing_id)}});
        loop_.run([this] { return core_.next_wakeup(); },
                  [this] {
                      step(Tick{});
                      wake_users();
                  });
        leave();
    } catch (const std::exception& error) {
        why = std::string("the scatterer's connection broke: ") + error.what();
    }
    control_.close();
    blocks_.close();
    gatherers_.clear();
    {
        std::lock_guard lock(state_mutex_);
        stopped_ = true;
        if (failure_.empty()) failure_ = why;
    }
    state_changed_.notify_all();
    refuse_all(why);
}

void Client::leave() {
    read_mailbox();
    step(Leave{});
    bool connected = blocks_.handle() != nullptr;
    control_.set(zmq::sockopt::linger, connected ? goodbye_milliseconds : 0);
    if (connected) blocks_.set(zmq::sockopt::linger, goodbye_milliseconds);
    for (auto& [name, gatherer] : gatherers_) gatherer->socket.set(zmq::sockopt::linger, goodbye_milliseconds);
}

/// Nobody may wait for an answer that can't come.
void Client::refuse_all(const std::string& why) {
    auto refuse = [&](JobLink& link) {
        link.inbox->refuse(why);
        link.inbox->wake();
        if (link.outbox) link.outbox->stop(why, Outbox::Stop::refused);
    };
    for (Call& call : mailbox_.take()) {
        if (call.link) refuse(*call.link);
        if (call.answer) call.answer->set_value(fail(why));
    }
    for (auto& [job, link] : links_) refuse(*link);
    for (auto& [number, answer] : answers_) answer->set_value(fail(why));
    links_.clear();
    answers_.clear();
}

void Client::open_control() {
    control_ = net::connect(context_, zmq::socket_type::dealer, options_.broker, net::random_peer_id('c'));
    loop_.watch(control_, [this] { read_control(); });
}

void Client::open_blocks(const wire::Welcome& welcome) {
    if (blocks_.handle()) return;
    std::string endpoint = net::choose_endpoint(welcome.blocks, options_.broker);
    if (endpoint.empty())
        throw StartupError("the broker at " + options_.broker + " names no endpoint for blocks that can be used from here");
    blocks_ = net::connect(context_, zmq::socket_type::push, endpoint);
}

Client::GathererSocket* Client::gatherer_socket(const wire::GathererRef& gatherer) {
    auto& slot = gatherers_[gatherer.name];
    if (slot && slot->key == key_of(gatherer)) return slot.get();
    if (slot) loop_.forget(slot->socket);
    slot.reset();  // an earlier life of it
    std::string endpoint = net::choose_endpoint(gatherer.collect, options_.broker);
    if (endpoint.empty()) return nullptr;
    slot = std::make_unique<GathererSocket>(
        GathererSocket{key_of(gatherer), net::connect(context_, zmq::socket_type::dealer, endpoint, net::random_peer_id('c'))});
    loop_.watch(slot->socket, [this, name = gatherer.name] {
        if (auto it = gatherers_.find(name); it != gatherers_.end() && it->second) read_gatherer(*it->second);
    });
    return slot.get();
}

void Client::read_mailbox() {
    for (Call& call : mailbox_.take()) {
        if (call.link && links_.try_emplace(call.job, call.link).first->second != call.link) {
            call.link->inbox->refuse("job " + to_string(call.job) +
                                     " is held by a Job of this scatterer; use that one, or let go of it first");
            wake_later(*call.link);
            continue;
        }
        bool closes = false;
        for (Event& event : call.events) {
            if (call.answer) answers_.emplace(std::get<Ask>(event).number, call.answer);
            closes |= std::holds_alternative<CloseJob>(event);
            step(std::move(event));
        }
        if (closes) links_.erase(call.job);
    }
}

void Client::read_control() {
    for (int i = 0; i < most_at_once; ++i) {
        auto incoming = net::receive(control_);
        if (!incoming) return;
        if (incoming->message) step(FromBroker{std::move(*incoming->message), std::move(incoming->body)});
        else step(Garbled{{options_.broker}, incoming->message.error().text});
    }
}

void Client::read_gatherer(GathererSocket& from) {
    GathererKey key = from.key;
    for (int i = 0; i < most_at_once; ++i) {
        auto incoming = net::receive(from.socket);
        if (!incoming) return;
        if (incoming->message) step(FromGatherer{key, std::move(*incoming->message), std::move(incoming->body)});
        else step(Garbled{{key.name}, incoming->message.error().text});
    }
}

void Client::read_flush_timer() {
    std::uint64_t times = 0;
    (void)!read(flush_timer_, &times, sizeof times);
    flush_armed_ = false;
    std::vector<std::shared_ptr<Outbox>> outboxes;
    {
        std::lock_guard lock(outboxes_mutex_);
        for (const auto& one : outboxes_)
            if (auto outbox = one.lock()) outboxes.push_back(std::move(outbox));
    }
    for (const auto& outbox : outboxes)
        if (!outbox->flush_if_idle()) flush_soon();
}

void Client::step(Event event) {
    core_.step(net::Loop::now(), std::move(event), actions_);
    // An action may cause another step.
    auto actions = std::exchange(actions_, {});
    for (Action& action : actions) std::visit([this](auto& one) { act(one); }, action);
    actions.clear();
    if (actions_.empty()) actions_ = std::move(actions);
}

void Client::wake_users() {
    for (const auto& inbox : std::exchange(to_wake_, {})) inbox->wake();
}

// --- actions: to the fleet --------------------------------------------------------------------------------------

void Client::act(SendBroker& action) { (void)net::send(control_, action.message); }

void Client::act(PushBlock& action) { (void)net::send(blocks_, action.message, action.body); }

void Client::act(SendGatherer& action) {
    if (auto* gatherer = gatherer_socket(action.to)) {
        (void)net::send(gatherer->socket, action.message);
        return;
    }
    write_log("client", {.level = Level::error, .what = "no endpoint of the gatherer can be used from here", .peer = action.to.name});
}

void Client::act(Reconnect&) {
    loop_.forget(control_);
    control_.close();
    blocks_.close();
    open_control();
    step(ControlOpened{PeerId{control_.get(zmq::sockopt::routing_id)}});
}

// --- actions: to the users' threads -----------------------------------------------------------------------------

JobLink* Client::link_of(const JobId& job) {
    auto it = links_.find(job);
    return it == links_.end() ? nullptr : it->second.get();
}

void Client::act(Connected& action) {
    open_blocks(action.welcome);
    {
        std::lock_guard lock(state_mutex_);
        welcome_ = action.welcome;
    }
    state_changed_.notify_all();
}

void Client::act(ConnectionFailed& action) {
    {
        std::lock_guard lock(state_mutex_);
        failure_ = action.text;
    }
    state_changed_.notify_all();
}

void Client::act(Deliver& action) {
    JobLink* link = link_of(action.job);
    if (!link) return;
    link->inbox->put({.receipt = action.receipt,
                      .first = action.first,
                      .count = action.count,
                      .meta = std::move(action.meta),
                      .body = std::move(action.body)});
    wake_later(*link);
}

void Client::act(DeliverFailure& action) {
    JobLink* link = link_of(action.job);
    if (!link) return;
    Delivery delivery{.receipt = action.receipt, .first = action.failure.index, .count = 1, .meta = {}, .body = std::move(action.output)};
    delivery.failure = std::move(action.failure);
    link->inbox->put(std::move(delivery));
    wake_later(*link);
}

void Client::act(JobRoom& action) {
    JobLink* link = link_of(action.job);
    if (link && link->outbox) link->outbox->allow(action.limit);
}

void Client::act(JobSealed& action) {
    JobLink* link = link_of(action.job);
    if (link && link->outbox) link->outbox->seal_accepted();
}

void Client::act(JobLocated& action) {
    JobLink* link = link_of(action.job);
    if (!link || link->outbox) return;  // nobody waits for that of an own job
    link->inbox->locate();
    wake_later(*link);
}

void Client::act(JobEnded& action) {
    JobLink* link = link_of(action.job);
    if (!link || !link->outbox) return;
    if (action.sealed) link->outbox->seal_accepted();
    link->outbox->stop(ended_text(action.job, action.outcome, action.reason), Outbox::Stop::ended);
}

void Client::act(JobConcluded& action) {
    JobLink* link = link_of(action.job);
    if (!link) return;
    if (link->outbox) {
        if (action.end.total) link->outbox->seal_accepted();
        link->outbox->stop(ended_text(action.job, action.end.outcome, action.end.reason), Outbox::Stop::ended);
    }
    link->inbox->conclude(std::move(action.end));
    wake_later(*link);
}

void Client::act(JobRefused& action) {
    JobLink* link = link_of(action.job);
    if (!link) return;
    if (link->outbox) link->outbox->stop(action.text, Outbox::Stop::refused);
    link->inbox->refuse(std::move(action.text));
    wake_later(*link);
}

void Client::act(JobNotice& action) {
    JobLink* link = link_of(action.job);
    if (!link || !link->on_notice) return;
    try {
        link->on_notice(action.text);
    } catch (const std::exception& error) {
        write_log("client", {.level = Level::error, .what = "on_notice threw", .job = action.job, .detail = error.what()});
    }
}

void Client::act(Answer& action) {
    auto it = answers_.find(action.number);
    if (it == answers_.end()) return;
    it->second->set_value(std::move(action.reply));
    answers_.erase(it);
}

void Client::act(Note& action) { write_log("client", action); }

}  // namespace fanfold::scatterer
