// The echo through NATS: requests to a queue group of two workers, answers to one inbox. usage:
// nats_echo SECONDS PORT
#include <nats/nats.h>
#include <poll.h>

#include <condition_variable>
#include <mutex>

#include "tests/bench/children.hpp"
#include "tests/bench/peers/echo.hpp"

namespace fanfold::bench {
namespace {

using namespace std::chrono_literals;

/// The library sends what it has at once, or gathers it for up to a millisecond: what is good for a
/// small job is bad for a large one. There are connections and workers for both.
struct Way {
    const char* subject;
    bool at_once;
};
constexpr Way many{.subject = "many", .at_once = false}, few{.subject = "few", .at_once = true};
constexpr auto patience = 30s;

void must(natsStatus status, const char* what) {
    if (status != NATS_OK)
        throw std::runtime_error(std::string(what) + ": " + natsStatus_GetText(status));
}

natsConnection* connect(int port, Way way) {
    natsConnection* connection = nullptr;
    natsOptions* options = nullptr;
    must(natsOptions_Create(&options), "making options");
    must(natsOptions_SetURL(options, ("nats://127.0.0.1:" + std::to_string(port)).c_str()),
         "setting the address");
    must(natsOptions_SetSendAsap(options, way.at_once), "setting options");
    must(natsConnection_Connect(&connection, options), "connecting");
    natsOptions_Destroy(options);
    return connection;
}

void give_back(natsConnection* connection, natsSubscription*, natsMsg* message, void*) {
    natsConnection_Publish(connection, natsMsg_GetReply(message), natsMsg_GetData(message),
                           natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
}

void work(int port, Way way) {
    natsSubscription* subscription = nullptr;
    natsConnection* connection = connect(port, way);
    must(natsConnection_QueueSubscribe(&subscription, connection, way.subject, "workers", give_back,
                                       nullptr),
         "subscribing");
    must(natsSubscription_SetPendingLimits(subscription, -1, -1), "setting limits");
    for (;;) poll(nullptr, 0, -1);
}

/// The job that runs, shared with the library's thread.
struct Inbox {
    std::mutex mutex;
    std::condition_variable changed;
    Results* results = nullptr;
    std::string error;
};

void take_result(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
    auto& inbox = *static_cast<Inbox*>(closure);
    std::lock_guard lock(inbox.mutex);
    try {
        if (inbox.results)
            inbox.results->take(natsMsg_GetData(message),
                                static_cast<std::size_t>(natsMsg_GetDataLength(message)));
    } catch (const std::exception& error) {
        inbox.error = error.what();
    }
    if (!inbox.results || inbox.results->complete() || !inbox.error.empty())
        inbox.changed.notify_one();
    natsMsg_Destroy(message);
}

/// A client of one way, with its inbox.
class Client {
public:
    Client(int port, Way way) : way_(way), connection_(connect(port, way)) {
        await_workers();
        natsSubscription* subscription = nullptr;
        must(natsInbox_Create(&reply_), "making an inbox");
        must(natsConnection_Subscribe(&subscription, connection_, reply_, take_result, &inbox_),
             "subscribing");
        must(natsSubscription_SetPendingLimits(subscription, -1, -1), "setting limits");
        must(natsConnection_Flush(connection_), "flushing");
    }
    ~Client() { natsConnection_Destroy(connection_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void run_job(std::uint64_t count) {
        Results results(count);
        {
            std::lock_guard lock(inbox_.mutex);
            inbox_.results = &results;
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            Numbered fragment = numbered(i);
            must(natsConnection_PublishRequest(connection_, way_.subject, reply_, &fragment,
                                               sizeof(fragment)),
                 "publishing");
        }
        std::unique_lock lock(inbox_.mutex);
        bool there = inbox_.changed.wait_for(
            lock, patience, [&] { return results.complete() || !inbox_.error.empty(); });
        inbox_.results = nullptr;
        check(there && inbox_.error.empty(),
              inbox_.error.empty() ? "all results are there" : inbox_.error.c_str());
    }

private:
    /// Requests before there is a worker are lost: one is sent again and again until it is
    /// answered.
    void await_workers() {
        natsMsg* answer = nullptr;
        for (auto begin = Clock::now(); Clock::now() - begin < patience;)
            if (natsConnection_RequestString(&answer, connection_, way_.subject, "?", 100) ==
                NATS_OK)
                return natsMsg_Destroy(answer);
        throw std::runtime_error("no worker answers");
    }

    Way way_;
    natsConnection* connection_;
    natsInbox* reply_ = nullptr;
    Inbox inbox_;
};

void run(double seconds, int port) {
    Children workers;
    for (std::uint32_t i = 0; i < peer_workers; ++i)
        for (Way way : {many, few}) workers.start([=] { work(port, way); });
    Client large(port, many), small(port, few);
    measure_echo(seconds, 50'000, [&](std::uint64_t count) {
        count == job_fragments ? small.run_job(count) : large.run_job(count);
    });
}

}  // namespace
}  // namespace fanfold::bench

int main(int count, char** arguments) {
    return fanfold::bench::peer_main(count, arguments, fanfold::bench::run);
}
