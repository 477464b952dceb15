// The scatterer's shell: the core and the sockets (control DEALER, blocks PUSH, a collect DEALER
// for each gatherer), and the baton that guards them. Whoever has a call for the core carries it
// out on its own thread; whoever waits runs the loop meanwhile, and else a thread of the client's
// does (leadership.hpp). Results go out to inboxes and outboxes. The public functions may be called
// from any thread.
//
// Invariants:
// - a call is in the mailbox until somebody has the baton: who finds it taken leaves the call
// there, and who gives it back looks there once
//   more;
// - who gives the baton back has read every socket that it touched until it was empty: only then
// does a socket's descriptor tell of news;
// - with the baton, no code of a user's runs and no lock of an outbox's builder is taken.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "scatterer/client/inbox.hpp"
#include "scatterer/client/leadership.hpp"
#include "scatterer/client/outbox.hpp"
#include "scatterer/core/core.hpp"
#include "shared/net/net.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/keys.hpp"
#include "shared/wire/packing.hpp"

namespace fanfold::scatterer {

struct ClientOptions {
    std::string broker{};  // endpoint of its control socket, checked
    std::string name{};    // for logs; empty: host-pid
    Duration connect_timeout = limits::connect_timeout;
    std::optional<Keys> keys{};
};

/// Why a call is refused once the client is stopped.
inline constexpr const char* closed_text = "the scatterer was closed";

/// What the client needs to reach the user of one job.
struct JobLink {
    std::shared_ptr<Inbox> inbox;
    std::shared_ptr<Outbox> outbox;  // of a job of our own
    std::function<void(const std::string&)> on_notice;
};

class Client {
public:
    /// Starts connecting. The context must live longer. Throws StartupError for an endpoint that
    /// ZeroMQ does not take.
    Client(zmq::context_t& context, ClientOptions options);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Waits for the first Welcome; an Error when it does not come.
    Result<wire::Welcome> wait_connected();
    /// The latest welcome.
    wire::Welcome welcome() const;

    /// Calls of a job, by whoever holds it: another link for the same job is refused until CloseJob
    /// has come from the first one.
    void post(const JobId& job, std::vector<Event> events, std::shared_ptr<JobLink> link);
    /// The broker's answer. The number in the question is set here. Waits for it.
    Result<wire::Report> ask(wire::Query query);
    Result<wire::Found> ask(wire::Find find);
    Result<wire::Retried> ask(wire::Retry retry);
    Result<wire::Adjusted> ask(wire::Adjust adjust);
    Result<wire::Forgotten> ask(wire::Forget forget);

    /// Moves what has come for the job to the back of `into`; waits until something has, or the job
    /// has ended, or the time is over. Whether there is anything, or the end.
    bool take(const JobLink& link, std::deque<Delivery>& into, std::optional<Time> until);
    /// Waits until the job is located, or has ended.
    void wait_located(const JobLink& link);
    /// Waits as Leadership does, for what the client changes.
    Leadership& waiting() { return leadership_; }

    /// The outbox's look() is called in a few milliseconds, and again as long as it says so.
    void look_soon(const std::shared_ptr<Outbox>& outbox);

    /// Says goodbye, closes the sockets and ends the thread. Whoever still waits gets an error.
    /// Idempotent.
    void stop();

private:
    /// Where the answer to a question is waited for.
    struct Answering {
        std::condition_variable changed;
        std::optional<Result<Reply>> reply;
    };
    struct Call {
        JobId job;
        std::vector<Event> events;
        std::shared_ptr<JobLink> link;
        std::shared_ptr<Answering> answering;  // of an Ask
    };
    struct GathererSocket {
        GathererKey key{};
        std::string public_key{};
        zmq::socket_t socket{};
        std::optional<net::HandshakeWatch> handshakes{};  // with keys
        bool touched = true;                              // and not read empty since
    };
    struct UserNotice {
        std::shared_ptr<JobLink> link;
        std::string text;
        JobId job;
    };

    // Without the baton.
    void run();
    Time turn(std::vector<pollfd>& items);
    void look();
    void help();
    void run_errands();
    void look_at_outboxes();
    void arm_looks();

    // With the baton.
    void give_back(std::unique_lock<std::mutex>& baton);
    template <class Work>
    void attempt(Work work);
    void answer(const std::shared_ptr<Answering>& answering, Result<Reply> reply);
    bool unread() const;
    void list_descriptors(std::vector<pollfd>& items);
    void leave();
    void open_control();
    void open_blocks(const wire::Welcome& welcome);
    GathererSocket* gatherer_socket(const wire::GathererRef& gatherer);
    void read_mailbox();
    void read_sockets(bool all);
    bool read_control();
    void read_gatherer(GathererSocket& from);
    void read_handshakes();
    bool is_refused(GathererSocket& gatherer);
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
    void tell_later(const JobLink& link);
    bool mail_waits();

    zmq::context_t& context_;
    ClientOptions options_;

    // Shared with the users' threads.
    Leadership leadership_;
    std::mutex mail_mutex_;
    std::deque<Call> mail_;
    bool closed_ = false;             // no call is taken any more
    mutable std::mutex state_mutex_;  // also of all Answerings
    std::condition_variable state_changed_;
    std::optional<wire::Welcome> welcome_;  // the latest
    std::string failure_;                   // why there is none, once that is known
    std::mutex outboxes_mutex_;
    std::vector<std::weak_ptr<Outbox>> outboxes_;  // to be looked at
    std::atomic<bool> looks_armed_ = false;
    Time looks_at_{};
    int look_timer_ = -1;
    std::atomic<std::uint64_t> next_question_ = 1;
    std::mutex notices_mutex_;
    std::vector<UserNotice> notices_;

    // With the baton.
    std::mutex baton_;
    bool over_ = false;   // the sockets are closed, or are to be
    std::string broken_;  // why, if that was not wanted
    Core core_;
    zmq::socket_t control_;
    std::optional<net::HandshakeWatch> handshakes_;  // of that, until there is a welcome
    std::string trouble_;  // what its handshakes say, if they say anything
    CompressedJobs compressed_;
    zmq::socket_t blocks_;
    std::map<std::string, std::unique_ptr<GathererSocket>> gatherers_;  // by name
    std::map<JobId, std::shared_ptr<JobLink>> links_;
    std::map<std::uint64_t, std::shared_ptr<Answering>> answers_;
    std::vector<Action> actions_;
    std::vector<std::shared_ptr<std::condition_variable>> to_tell_;
    bool control_touched_ = true;       // and not read empty since
    bool descriptors_changed_ = false;  // since the leader listed them
    Time leader_until_{};               // when it wakes up at the latest

    std::mutex stop_mutex_;
    std::thread thread_;
};

}  // namespace fanfold::scatterer
