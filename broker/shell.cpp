#include "broker/shell.hpp"

#include <csignal>

#include "shared/base/machine.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/intake.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/fields.hpp"

namespace fanfold::broker {

namespace {
/// What peers are told of the blocks' socket. --advertise is about the last endpoint (an embedded
/// broker's first is its inproc one).
std::vector<std::string> advertised(const ShellOptions& options, std::vector<std::string> bound) {
    if (!bound.empty())
        bound.back() = net::advertised({.bind = options.bind.back(),
                                        .bound = bound.back(),
                                        .advertise = options.advertise,
                                        .offset = 1});
    if (std::string why = wire::fields::why_refused(wire::Welcome{.blocks = bound}); !why.empty())
        throw StartupError("no peer would read where this broker is reached: its " + why);
    return bound;
}

Options core_options(const ShellOptions& options, const std::vector<std::string>& blocks,
                     std::uint64_t epoch) {
    return {.epoch = {.number = epoch, .incarnation = random_number()},
            .blocks = blocks,
            .worker_timeout = options.worker_timeout,
            .crash_limit = options.crash_limit,
            .memory_bytes = options.memory_bytes,
            .relay_credit = options.relays ? limits::relay_credit : 0,
            .durable = !options.state.empty(),
            .started = net::Loop::now(),
            .started_since_1970 =
                std::chrono::floor<std::chrono::milliseconds>(microseconds_since_1970()),
            .keep = options.keep,
            .fixed_fleet = options.fixed_fleet,
            .user_limits = options.user_limits};
}
}  // namespace

Shell::Shell(zmq::context_t& context, const ShellOptions& options)
    : gatekeeper_(options.protection.gatekeeper),
      keys_(options.keys),
      journal_(options.state, "broker", rows::format),
      control_(net::bind(context, zmq::socket_type::router, options.bind, "--bind",
                         control_endpoints_, options.protection)),
      blocks_(net::bind(context, zmq::socket_type::pull, net::neighbour_endpoints(options.bind, 1),
                        "--bind", blocks_endpoints_, options.protection)),
      core_(core_options(options, advertised(options, blocks_endpoints_), journal_.epoch())) {
    journal_.load([this](const Record& record) { core_.restore(record); });
    core_.restored();
    if (gatekeeper_ && !keys_.empty()) let_in(require(load_allowed(keys_)));
}

void Shell::run(SignalReader* signals) {
    for (zmq::socket_t* socket : {&control_, &blocks_})
        loop_.watch(*socket, [this, socket] {
            net::take_in(
                *socket, gatekeeper_, core_, [this](Event event) { take(std::move(event)); },
                &parts_);
        });
    if (journal_.fd() >= 0) loop_.watch(journal_.fd(), [this] { read_journal(); });
    if (signals) loop_.watch(signals->fd(), [this, signals] { on_signal(*signals); });
    loop_.run([this] { return core_.next_wakeup(); }, [this] { step(Tick{}); });
}

void Shell::on_signal(SignalReader& signals) {
    int signal = signals.read();
    if (signal == SIGHUP) {
        reopen_log_file();
        read_keys_again();
    } else if (signal != 0) {
        loop_.stop();
    }
}

void Shell::read_keys_again() {
    if (!gatekeeper_ || keys_.empty())
        return write_log("broker",
                         {.what = "SIGHUP: no keys are read again, since none are in use"});
    auto allowed = load_allowed(keys_);
    if (allowed) return let_in(*std::move(allowed));
    write_log("broker", {.level = Level::error,
                         .what = "the allowed keys stay as they were",
                         .detail = allowed.error().text});
}

/// These keys, and no others from now on.
void Shell::let_in(KeysChanged allowed) {
    gatekeeper_->replace(allowed.keys);
    write_log("broker",
              {.what = "allowed keys read",
               .detail = std::to_string(allowed.keys.size()) + " keys in " + keys_ + "/allowed"});
    step(std::move(allowed));
}

void Shell::take(Event event) {
    // A gatherer of this program, over inproc, has this program's key.
    if (auto* received = std::get_if<Received>(&event);
        received && gatekeeper_ && received->sender.public_key.empty())
        received->sender.public_key = gatekeeper_->own().public_key;
    step(std::move(event));
}

void Shell::step(Event event) {
    std::vector<Action> actions;
    core_.step(net::Loop::now(), std::move(event), actions);
    for (Action& action : actions) act(action);
    journal_.hand_over();
    for (const Action& action : actions)  // nobody waits for the log
        if (auto* note = std::get_if<Note>(&action)) write_log("broker", *note);
    tell_of_gone();
}

void Shell::tell_of_gone() {
    for (Unroutable& gone : std::exchange(gone_, {})) step(std::move(gone));
}

void Shell::act(Action& action) {
    if (std::holds_alternative<Note>(action)) return;
    if (auto* persist = std::get_if<Persist>(&action))
        return journal_.append(std::move(persist->record));
    if (auto* fetch = std::get_if<Fetch>(&action)) return journal_.fetch(*fetch);
    auto& message = std::get<Send>(action);
    if (promises_nothing(message.message)) return send(message);
    if (journal_.safe()) return send(message);
    auto job = wire::job_of(message.message);
    journal_.when_safe(job, [this, held = std::move(message)]() mutable { send(held); });
}

void Shell::send(Send& message) {
    compressed_.learn(message.message);
    auto sent = net::send_to(
        control_, backlog_, message.to, message.message, message.body,
        {.compress = compressed_.wants(message.message), .in_parts = message.in_parts});
    if (sent == net::Sent::unroutable || sent == net::Sent::unread)
        gone_.push_back({.peer = message.to, .unread = sent == net::Sent::unread});
}

void Shell::read_journal() {
    auto told = journal_.read();
    tell_of_gone();
    if (told.trouble) step(StoreTrouble{*std::move(told.trouble)});
    for (Fetched& fetched : told.fetched) step(std::move(fetched));
    if (told.committed) step(*told.committed);
}

}  // namespace fanfold::broker
