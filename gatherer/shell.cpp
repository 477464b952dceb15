#include "gatherer/shell.hpp"

#include <csignal>

#include "gatherer/core/limits.hpp"
#include "shared/base/machine.hpp"
#include "shared/base/overloaded.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/intake.hpp"
#include "shared/store/store_folder.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::gatherer {

Shell::Shell(zmq::context_t& context, const ShellOptions& options)
    : context_(context),
      options_(options),
      results_(net::bind(context, zmq::socket_type::pull, options.bind, "--bind",
                         results_endpoints_, options.protection)),
      collect_(net::bind(context, zmq::socket_type::router,
                         net::neighbour_endpoints(options.bind, 1), "--bind", collect_endpoints_,
                         options.protection)),
      journal_(options.state, "gatherer", row_format),
      core_(core_options()) {
    read_state();
    connect();
}

/// The broker knows its jobs' gatherer by name, so one that goes on where it was needs the same at
/// each start, and a copy of its host without its state another. A state of the time when the
/// host's name was all goes on under that.
std::string Shell::own_name() const {
    if (!options_.name.empty()) return options_.name;
    if (options_.state.empty()) return process_name();
    return kept_text(options_.state + "/gatherer.name",
                     journal_.epoch() > 1 ? host_name() : host_name() + random_suffix());
}

/// The broker hands the gatherer's endpoints on to hosts that may be others than its own: a
/// wildcard address becomes this host's name.
Options Shell::core_options() const {
    auto advertised = [this](std::vector<std::string> bound, int offset) {
        bound.back() = net::with_host_name(net::advertised({.bind = options_.bind.back(),
                                                            .bound = bound.back(),
                                                            .advertise = options_.advertise,
                                                            .offset = offset}));
        return bound;
    };
    return {.self = {.name = own_name(),
                     .epoch = {.number = journal_.epoch(), .incarnation = random_number()},
                     .results = advertised(results_endpoints_, 0),
                     .collect = advertised(collect_endpoints_, 1)},
            .memory_bytes = options_.memory_bytes,
            .durable = !options_.state.empty(),
            .steady_began = std::chrono::duration_cast<std::chrono::milliseconds>(
                microseconds_since_1970() - net::Loop::now().time_since_epoch()),
            .keep = options_.keep,
            .state = options_.state};
}

void Shell::read_state() {
    if (!options_.state.empty())
        write_log("gatherer", Note{.what = "jobs and results are kept", .detail = options_.state});
    journal_.load([this](const Record& record) { core_.restore(record); });
}

void Shell::connect() {
    if (control_) loop_.forget(*control_);
    forget_handshakes();
    parts_ = {};
    ++connection_;
    control_ = net::connect(context_, zmq::socket_type::dealer, options_.broker,
                            random_peer_id('g'), net::proof_for(options_.keys, &handshakes_));
    loop_.watch(*control_, [this] { receive_control(); });
    loop_.watch(handshakes_->socket(), [this] { read_handshakes(); });
}

void Shell::forget_handshakes() {
    if (handshakes_) loop_.forget(handshakes_->socket());
    handshakes_.reset();
}

void Shell::read_handshakes() {
    while (auto news = handshakes_ ? handshakes_->read() : std::nullopt)
        net::log_handshake("gatherer", *news, "the broker at " + options_.broker, options_.keys);
}

void Shell::run(SignalReader* signals) {
    for (zmq::socket_t* socket : {&results_, &collect_})
        loop_.watch(*socket, [this, socket] {
            net::take_in(*socket, options_.protection.gatekeeper, core_,
                         [this](Event event) { step(std::move(event)); });
        });
    if (signals)
        loop_.watch(signals->fd(), [this, signals] {
            int signal = signals->read();
            if (signal == SIGHUP) reopen_log_file();  // who is let in, the broker says
            else if (signal != 0) loop_.stop();
        });
    if (journal_.fd() >= 0) loop_.watch(journal_.fd(), [this] { read_journal(); });
    step(Tick{});
    loop_.run([this] { return core_.next_wakeup(); }, [this] { step(Tick{}); });
    net::send(*control_, wire::Bye{.reason = "it was told to end"});
    control_->set(zmq::sockopt::linger, 200);
}

void Shell::step(Event event) {
    std::vector<Action> actions;
    core_.step(net::Loop::now(), std::move(event), actions);
    for (Action& action : actions) perform(action);
    journal_.hand_over();
    for (const Action& action : actions)  // nobody waits for the log
        if (auto* note = std::get_if<Note>(&action)) write_log("gatherer", *note);
    while (!gone_.empty()) {
        Unroutable gone = std::move(gone_.back());
        gone_.pop_back();
        step(std::move(gone));
    }
}

void Shell::perform(Action& action) {
    std::visit(
        Overloaded{
            [](Note&) {},  // written when the rest is on its way
            [&](Persist& record) { journal_.append(std::move(record)); },
            [&](Fetch& fetch) { journal_.fetch(fetch); },
            [&](Send& send) {
                if (journal_.safe()) return say(std::move(send));
                auto job = wire::job_of(send.message);
                journal_.when_safe(
                    job, [this, held = std::move(send)]() mutable { say(std::move(held)); });
            },
            [&](SendBroker& send) {
                bool at_once = journal_.safe() ||
                               std::holds_alternative<wire::Hello>(send.message) ||
                               std::holds_alternative<wire::Heartbeat>(send.message);
                if (at_once)
                    return (void)net::send(*control_, send.message, send.body, {.in_parts = true});
                auto job = wire::job_of(send.message);
                journal_.when_safe(job, [this, connection = connection_, held = std::move(send)] {
                    if (connection == connection_)
                        net::send(*control_, held.message, held.body, {.in_parts = true});
                });
            },
            [&](Reconnect&) { connect(); }},
        action);
}

void Shell::say(Send send) {
    auto* values = std::get_if<wire::Values>(&send.message);
    auto sent = net::send_to(
        collect_, backlog_, send.to, send.message, send.body,
        {.compress = values && core_.compresses(values->job), .in_parts = send.in_parts});
    if (sent == net::Sent::unroutable || sent == net::Sent::unread)
        gone_.push_back({.peer = std::move(send.to), .unread = sent == net::Sent::unread});
}

void Shell::read_journal() {
    auto told = journal_.read();
    if (told.trouble) step(StoreTrouble{*std::move(told.trouble)});
    for (Fetched& fetched : told.fetched) step(std::move(fetched));
    if (told.committed) step(*told.committed);
}

void Shell::receive_control() {
    for (int i = 0; i < limits::messages_a_turn; ++i) {
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
        if (std::holds_alternative<wire::Welcome>(*incoming->message)) forget_handshakes();
        if (auto* allowed = std::get_if<wire::AllowedKeys>(&*incoming->message);
            allowed && options_.protection.gatekeeper)
            options_.protection.gatekeeper->replace(allowed->keys);
        step(FromBroker{*std::move(incoming->message), std::move(incoming->body)});
    }
}

}  // namespace fanfold::gatherer
