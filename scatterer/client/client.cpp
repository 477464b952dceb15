#include "scatterer/client/client.hpp"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "scatterer/limits.hpp"
#include "shared/base/machine.hpp"
#include "shared/base/overloaded.hpp"
#include "shared/base/thread.hpp"
#include "shared/log/logging.hpp"

namespace fanfold::scatterer {

namespace {
ClientOptions named(ClientOptions options) {
    if (options.name.empty()) options.name = process_name();
    return options;
}

Options core_options(const ClientOptions& options) {
    return {.broker = options.broker,
            .name = options.name,
            .epoch = {.number = 0, .incarnation = random_number()},
            .connect_timeout = options.connect_timeout,
            .give_up = options.give_up};
}

std::shared_ptr<NoticeFunction> notice_function(const ClientOptions& options) {
    if (!options.on_notice) return nullptr;
    return std::make_shared<NoticeFunction>(options.on_notice);
}
}  // namespace

Client::Client(zmq::context_t& context, ClientOptions options)
    : options_(named(std::move(options))),
      core_(core_options(options_)),
      sockets_(context, loop_, {.broker = options_.broker, .keys = options_.keys},
               [this](Event event) { step(std::move(event)); }),
      deliveries_(notice_function(options_)) {
    loop_.watch(calls_.fd(), [this] { take_calls(); });
    loop_.watch(calls_.look_fd(), [this] { look(); });
    step(ControlOpened{sockets_.connect()});
    thread_ = require(start_thread([this] { run(); }));
}

// --- any thread

void Client::post(const JobId& job, std::vector<Event> events, std::shared_ptr<JobLink> link) {
    bool taken = calls_.post({.job = job, .events = std::move(events), .link = link});
    if (!taken && link) link->inbox->refuse(calls_.why_ended());
}

Result<wire::Report> Client::report(wire::Query query) {
    wire::Report all;
    do {
        auto report = ask<wire::Report>(query);
        if (!report) return report;
        std::ranges::move(report->jobs, std::back_inserter(all.jobs));
        std::ranges::move(report->workers, std::back_inserter(all.workers));
        all.gatherers = std::move(report->gatherers);
        all.states = std::move(report->states);
        all.more = report->more && !(all.jobs.empty() && all.workers.empty());
        if (!all.jobs.empty()) query.after = all.jobs.back().job;
        if (!all.workers.empty()) query.selector = all.workers.back().name;
    } while (all.more);
    return all;
}

void Client::break_off(const std::string& why) {
    calls_.break_off(why);
    loop_.stop();
}

void Client::stop() {
    if (!thread_.joinable()) return;
    deliveries_.release_this_thread();
    loop_.stop();
    thread_.join();
}

// --- the client's thread

void Client::run() {
    pthread_setname_np(pthread_self(), "fanfold-client");
    try {
        loop_.run([this] { return core_.next_wakeup(); },
                  [this] {
                      deliveries_.tell();
                      step(Tick{});
                      deliveries_.tell();
                  });
        take_calls();
        step(Leave{});
    } catch (const std::exception& error) {
        calls_.break_off(std::string("the scatterer's connection broke: ") + error.what());
    }
    sockets_.close();
    end(calls_.why_ended());
}

/// Nobody may wait for an answer that can't come.
void Client::end(const std::string& why) {
    for (Call& call : calls_.close(why))
        if (call.link) call.link->inbox->refuse(why);
    deliveries_.refuse_all(why);
}

void Client::take_calls() {
    for (Call& call : calls_.take()) take(call);
}

void Client::take(Call& call) {
    if (call.link && !deliveries_.add(call.job, call.link))
        return call.link->inbox->refuse("job " + to_string(call.job) +
                                        " is held by a Job of this scatterer; use that one, or let "
                                        "go of it first");
    bool closes = false;
    for (Event& event : call.events) {
        closes = closes || std::holds_alternative<CloseJob>(event);
        step(std::move(event));
    }
    if (closes) deliveries_.remove(call.job);
}

void Client::look() {
    for (auto& one : calls_.take_outboxes())
        if (auto outbox = one.lock(); outbox && outbox->look()) look_soon(std::move(one));
}

void Client::step(Event event) {
    core_.step(net::Loop::now(), std::move(event), actions_);
    // An action may cause another step.
    auto actions = std::exchange(actions_, {});
    for (Action& action : actions) act(action);
    actions.clear();
    if (actions_.empty()) actions_ = std::move(actions);
}

void Client::act(Action& action) {
    const Overloaded doers{
        [this](SendBroker& one) { sockets_.send(one); },
        [this](PushBlock& one) { sockets_.send(one); },
        [this](PushMark& one) { sockets_.send(one); },
        [this](SendGatherer& one) { sockets_.send(one); },
        [this](Reconnect&) { step(ControlOpened{sockets_.connect()}); },
        [this](Connected& one) {
            sockets_.welcome(one.welcome);
            calls_.connected(one.welcome);
        },
        [this](ConnectionFailed& one) {
            const std::string& trouble = sockets_.trouble();
            calls_.failed(one.text + (trouble.empty() ? "" : "; " + trouble));
        },
        [this](Answer& one) { calls_.answer(one.number, std::move(one.reply)); },
        [](Note& one) { write_log("client", one); },
        [this](auto& one) { deliveries_.deliver(one); },
    };
    std::visit(doers, action);
}

}  // namespace fanfold::scatterer
