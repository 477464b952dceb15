#include "worker/shell.hpp"

#include "shared/base/machine.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/secured_sockets.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

void log_handler_line(const Context& context, std::string_view text) {
    Note note{.what = "handler",
              .range = {context.index(), context.index() + 1},
              .attempt = context.attempt(),
              .detail = std::string(text)};
    if (auto job = parse_job_id(context.job())) note.job = *job;
    write_said("worker", note);
}
}  // namespace

Shell::Shell(zmq::context_t& context, ShellOptions options)
    : context_(context),
      options_(std::move(options)),
      core_({.name = options_.name,
             .epoch = {.number = 0, .incarnation = random_number()},
             .slots = options_.slots,
             .spare_slots = options_.spare_slots,
             .functions = options_.functions.names(),
             .idempotent = options_.functions.idempotent(),
             .labels = options_.abilities.labels(),
             .resources = options_.abilities.resources()}),
      leaders_([this] { lead(); }) {
    executors_ = std::make_unique<Executors>(
        Executors::Options{.slots = options_.slots + options_.spare_slots,
                           .functions = options_.functions,
                           .deliver = [this](Event event) { mailbox_.post(std::move(event)); },
                           .log = options_.log ? options_.log : log_handler_line,
                           .guardian = {},
                           .max_output = options_.max_output,
                           .containment = options_.containment,
                           .check = options_.check,
                           .close_patience = options_.close_patience,
                           .on_scan = [this] { leaders_.scan(); }});
    connect();
}

void Shell::connect() {
    if (control_) loop_.forget(*control_);
    parts_ = {};
    forget_handshakes();
    control_ = net::connect(context_, zmq::socket_type::dealer, options_.broker,
                            random_peer_id('w'), net::proof_for(options_.keys, &handshakes_));
    loop_.watch(*control_, [this] { receive_control(); });
    loop_.watch(handshakes_->socket(), [this] { read_handshakes(); });
}

void Shell::forget_handshakes() {
    if (handshakes_) loop_.forget(handshakes_->socket());
    handshakes_.reset();
}

void Shell::read_handshakes() {
    while (auto news = handshakes_ ? handshakes_->read() : std::nullopt)
        net::log_handshake("worker", *news, "the broker at " + options_.broker, options_.keys);
}

void Shell::run(SignalSource* signals, const std::function<void()>& on_registered) {
    on_registered_ = on_registered;
    loop_.watch(mailbox_.fd(), [this] { step_all(mailbox_.take()); });
    if (signals) loop_.watch(signals->fd(), [this, signals] { on_signal(*signals); });
    step(Tick{});
    leaders_.run();
    control_->set(zmq::sockopt::linger, 200);
    for (auto& [name, gatherer] : gatherers_) gatherer->socket.set(zmq::sockopt::linger, 200);
    if (!error_.empty()) throw std::runtime_error(error_);
}

bool Shell::close(Time until) {
    const bool returned = executors_->close(until);
    return leaders_.close(until) && returned;
}

/// On the thread that has just got the lead.
void Shell::lead() {
    // The one before may have been kept in a handler, with tasks behind it, and events that nobody
    // was woken for.
    for (Run& run : std::exchange(short_tasks_, {})) executors_->run(std::move(run));
    take_events();
    while (loop_.turn(short_tasks_.empty() ? core_.next_wakeup() : net::Loop::now())) {
        step(Tick{});
        if (!run_short_tasks()) return;
    }
}

/// Those that are here now; what comes of them waits for the next turn, so that the sockets get
/// theirs. False when the lead was lost: then nothing of this may be touched any more.
bool Shell::run_short_tasks() {
    for (std::size_t left = short_tasks_.size(); left > 0; --left) {
        Run run = std::move(short_tasks_.front());
        short_tasks_.pop_front();
        mailbox_.attend();
        if (!leaders_.work([&] { executors_->run_here(std::move(run)); })) return false;
        take_events();
    }
    return true;
}

/// A short task runs here when it is all that there is to do. Where there is more, the slots'
/// threads run it side by side.
void Shell::start(Run run) {
    bool is_all = core_.held() == run.task.count;
    bool runs_here = options_.short_tasks_lead && is_all && !run.host &&
                     executors_->expected(run.task) <= limits::short_task && leaders_.may_work();
    if (runs_here) short_tasks_.push_back(std::move(run));
    else executors_->run(std::move(run));
}

void Shell::take_events() { step_all(mailbox_.take_unwoken()); }

void Shell::on_signal(SignalSource& signals) {
    if (signals.read() == 0) return;
    if (draining_) return loop_.stop();
    draining_ = true;
    step(Drain{});
}

void Shell::step(Event event) {
    std::vector<Action> actions;
    core_.step(net::Loop::now(), std::move(event), actions);
    act_all(actions);
}

void Shell::step_all(std::deque<Event> events) {
    std::vector<Action> actions;
    for (Event& event : events) core_.step(net::Loop::now(), std::move(event), actions);
    act_all(actions);
}

/// A free slot gets its task before anybody is told of the last one, which takes longer.
void Shell::act_all(std::vector<Action>& actions) {
    for (Action& action : actions) {
        if (auto* run = std::get_if<Run>(&action)) start(std::move(*run));
    }
    for (Action& action : actions) {
        if (!std::holds_alternative<Run>(action)) act(action);
    }
}

void Shell::act(Action& action) {
    struct Acts {
        Shell& shell;
        void operator()(SendBroker& send) {
            net::send(*shell.control_, send.message, send.body, {.in_parts = send.in_parts});
        }
        void operator()(PushResults& results) { shell.push(results); }
        void operator()(PushMark& push) { shell.push(push); }
        void operator()(Run& run) { shell.start(std::move(run)); }
        void operator()(Stop& stop) { shell.executors_->stop(stop.task); }
        void operator()(Trim& trim) { shell.executors_->trim(trim); }
        void operator()(Check&) { shell.executors_->check(); }
        void operator()(Reconnect&) { shell.connect(); }
        void operator()(Leave& leave) {
            shell.error_ = leave.error;
            shell.loop_.stop();
        }
        void operator()(Note& note) { write_log("worker", note); }
    };
    std::visit(Acts{*this}, action);
}

void Shell::push(PushResults& push) {
    // Without one it is kept, and the broker hears nothing of it being safe.
    if (Gatherer* to = gatherer(push.to))
        net::send(to->socket, push.message, push.body,
                  {.compress = compressed_.wants(push.message)});
}

void Shell::push(PushMark& push) {
    Gatherer* to = gatherer(push.to);
    if (!to) return;
    push.mark.owner.bytes = control_->get(zmq::sockopt::routing_id);
    net::send(to->socket, push.mark);
}

Shell::Gatherer* Shell::gatherer(const wire::GathererRef& where) {
    auto known = gatherers_.find(where.name);
    if (where.results.empty()) {  // its key is let in no more
        if (known != gatherers_.end()) forget_gatherer(where.name);
        return nullptr;
    }
    if (known != gatherers_.end() && known->second->epoch == where.epoch &&
        known->second->public_key == where.public_key)
        return known->second.get();
    if (known != gatherers_.end())
        forget_gatherer(where.name);  // another life: what waits for the old one is for nobody
    auto unusable = [&](const char* what, std::string why) {
        write_log(
            "worker",
            {.level = Level::error, .what = what, .peer = where.name, .detail = std::move(why)});
        return nullptr;
    };
    std::string endpoint = net::choose_endpoint(where.results, options_.broker);
    if (endpoint.empty()) return unusable("no endpoint of the gatherer can be used from here", "");
    auto made = std::make_unique<Gatherer>();
    const bool watched = !endpoint.starts_with("inproc://");  // of which libzmq tells nothing
    made->endpoint = endpoint;
    made->epoch = where.epoch;
    made->public_key = where.public_key;
    auto proof =
        net::proof_for(options_.keys, where, endpoint, watched ? &made->handshakes : nullptr);
    if (!proof) return unusable("no results are sent to the gatherer", proof.error().text);
    made->socket = net::connect(context_, zmq::socket_type::push, endpoint, {}, *proof);
    if (watched) mailbox_.post(Reach{.gatherer = where.name, .endpoint = endpoint});
    if (made->handshakes)
        loop_.watch(made->handshakes->socket(),
                    [this, name = where.name] { read_handshakes(name); });
    return gatherers_.emplace(where.name, std::move(made)).first->second.get();
}

void Shell::forget_gatherer(const std::string& name) {
    if (auto& handshakes = gatherers_.at(name)->handshakes) loop_.forget(handshakes->socket());
    mailbox_.post(Reach{.gatherer = name, .endpoint = {}, .reached = true});  // no more asked of it
    gatherers_.erase(name);
}

/// libzmq gives a connection up when its key is refused. The gatherer may have heard of the key
/// only after that: with the next results there is another connection.
void Shell::read_handshakes(const std::string& name) {
    auto known = gatherers_.find(name);
    while (known != gatherers_.end() && known->second->handshakes) {
        auto news = known->second->handshakes->read();
        if (!news) return;
        using News = net::HandshakeWatch::News;
        net::log_handshake("worker", *news, "gatherer " + name, options_.keys);
        if (*news == News::accepted || *news == News::lost)
            mailbox_.post(Reach{.gatherer = name,
                                .endpoint = known->second->endpoint,
                                .reached = *news == News::accepted});
        if (*news != News::key_refused) continue;
        return forget_gatherer(name);
    }
}

void Shell::receive_control() {
    for (int i = 0; i < limits::messages_per_turn; ++i) {
        auto incoming = net::receive(*control_, &parts_);
        if (!incoming) return;
        if (incoming->is_part && incoming->message) {
            step(Arriving{});
            continue;
        }
        if (!incoming->message) {
            step(Garbled{{}, incoming->message.error().text});
            continue;
        }
        compressed_.learn(*incoming->message);
        bool welcome = std::holds_alternative<wire::Welcome>(*incoming->message);
        if (welcome) forget_handshakes();
        step(FromBroker{*std::move(incoming->message), std::move(incoming->body)});
        if (welcome && on_registered_) std::exchange(on_registered_, {})();
    }
}

}  // namespace fanfold::worker
