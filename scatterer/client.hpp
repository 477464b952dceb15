// The scatterer's shell: a thread that owns the core and the sockets (control DEALER, blocks PUSH, a collect DEALER for each gatherer).
// Its public functions may be called from any thread. Calls come in through a mailbox; results go out to inboxes and outboxes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "scatterer/core.hpp"
#include "scatterer/inbox.hpp"
#include "scatterer/outbox.hpp"
#include "shared/net.hpp"

namespace fanfold::scatterer {

struct ClientOptions {
    std::string broker{};  // endpoint of its control socket, checked
    std::string name{};    // for logs; empty: host-pid
    Duration connect_timeout = limits::connect_timeout;
};

/// What the client's thread needs to reach the user of one job.
struct JobLink {
    std::shared_ptr<Inbox> inbox;
    std::shared_ptr<Outbox> outbox;  // of a job of our own
    std::function<void(const std::string&)> on_notice;
};

class Client {
public:
    /// Starts connecting. The context must live longer. Throws StartupError for an endpoint that ZeroMQ does not take.
    Client(zmq::context_t& context, ClientOptions options);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Waits for the first Welcome; an Error when it does not come.
    Result<wire::Welcome> wait_connected();
    /// The latest welcome.
    wire::Welcome welcome() const;

    /// Calls of a job, by whoever holds it: another link for the same job is refused until CloseJob has come from the first one.
    void post(const JobId& job, std::vector<Event> events, std::shared_ptr<JobLink> link);
    /// The broker's answer. The number in the question is set here. Waits for it.
    Result<wire::Report> ask(wire::Query query);
    Result<wire::Found> ask(wire::Find find);
    Result<wire::Retried> ask(wire::Retry retry);
    Result<wire::Adjusted> ask(wire::Adjust adjust);
    Result<wire::Forgotten> ask(wire::Forget forget);

    /// The outbox's block is flushed when it lies for a few milliseconds.
    void look_after(const std::shared_ptr<Outbox>& outbox);
    void flush_soon();

    /// Says goodbye, closes the sockets and ends the thread. Whoever still waits gets an error. Idempotent.
    void stop();

private:
    struct Call {
        JobId job;
        std::vector<Event> events;
        std::shared_ptr<JobLink> link;
        std::shared_ptr<std::promise<Result<Reply>>> answer;  // of an Ask
    };
    struct GathererSocket {
        GathererKey key;
        zmq::socket_t socket;
    };

    void run();
    void leave();
    void open_control();
    void open_blocks(const wire::Welcome& welcome);
    GathererSocket* gatherer_socket(const wire::GathererRef& gatherer);
    void read_mailbox();
    void read_control();
    void read_gatherer(GathererSocket& from);
    void read_flush_timer();
    void step(Event event);
    bool hand_in(Call call);
    template <class Wanted>
    Result<Wanted> wait_for_reply(std::uint64_t number, Question question);
    void refuse_all(const std::string& why);

    void act(SendBroker& action);
    void act(PushBlock& action);
    void act(SendGatherer& action);
    void act(Reconnect&);
    void act(Connected& action);
    void act(ConnectionFailed& action);
    void act(Deliver& action);
    void act(DeliverFailure& action);
    void act(JobRoom& action);
    void act(JobSealed& action);
    void act(JobLocated& action);
    void act(JobEnded& action);
    void act(JobConcluded& action);
    void act(JobRefused& action);
    void act(JobNotice& action);
    void act(Answer& action);
    void act(Note& action);
    JobLink* link_of(const JobId& job);
    void wake_later(const JobLink& link) { to_wake_.push_back(link.inbox); }
    void wake_users();

    zmq::context_t& context_;
    ClientOptions options_;

    // Shared with the users' threads.
    net::Mailbox<Call> mailbox_;
    mutable std::mutex state_mutex_;
    std::condition_variable state_changed_;
    std::optional<wire::Welcome> welcome_;  // the latest
    std::string failure_;                   // why there is none, once that is known
    bool stopped_ = false;                  // no call is taken any more
    std::mutex outboxes_mutex_;
    std::vector<std::weak_ptr<Outbox>> outboxes_;
    std::atomic<std::uint64_t> next_question_ = 1;
    std::atomic<bool> flush_armed_ = false;
    int flush_timer_ = -1;

    // The client's thread's own.
    net::Loop loop_;
    Core core_;
    zmq::socket_t control_;
    zmq::socket_t blocks_;
    std::map<std::string, std::unique_ptr<GathererSocket>> gatherers_;  // by name
    std::map<JobId, std::shared_ptr<JobLink>> links_;
    std::map<std::uint64_t, std::shared_ptr<std::promise<Result<Reply>>>> answers_;
    std::vector<Action> actions_;
    std::vector<std::shared_ptr<Inbox>> to_wake_;

    std::mutex stop_mutex_;
    std::thread thread_;
};

}  // namespace fanfold::scatterer
