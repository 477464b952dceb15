// The worker's shell with real sockets, threads and handlers; the test is its broker and its
// gatherer.
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "shared/net/backlog.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/secured_sockets.hpp"
#include "tests/support/executor_harness.hpp"
#include "worker/shell.hpp"

namespace fanfold::worker {

using namespace testing;

namespace {

constexpr auto heartbeat = 20ms;

/// A shell of one slot on a thread of its own, and its peers.
class ShellBench {
public:
    explicit ShellBench(FunctionTable functions)
        : control_(net::bind(context_, zmq::socket_type::router,
                             {net::inproc_endpoint("shell-test")}, "", bound_)),
          results_(net::bind(context_, zmq::socket_type::pull,
                             {net::inproc_endpoint("shell-test-results")}, "", bound_)) {
        ShellOptions options{
            .broker = bound_[0], .name = "w", .slots = 1, .functions = std::move(functions)};
        options.functions.declare_idempotent("fanfold.fail");
        options.abilities.add_label("gpu");
        options.abilities.add_resource("mem=2K");
        thread_ = std::thread([this, options] {
            std::optional<Shell> shell;
            shell.emplace(context_, options);
            try {
                shell->run();
            } catch (const std::exception& error) {
                error_ = error.what();
            }
        });
        hello = next<wire::Hello>();
        send(wire::Welcome{
            .epoch = {1, 1}, .blocks = {}, .gatherers = {}, .heartbeat = heartbeat, .timeout = 5s});
    }
    ~ShellBench() {
        if (thread_.joinable()) end();
    }

    void send(const wire::Message& message, const std::string& body = {}) {
        CHECK(net::send_to(control_, backlog_, worker_, message, Slice::copy(body)) ==
              net::Sent::yes);
    }
    void dispatch(const std::string& function, std::uint32_t count, const std::string& body,
                  wire::Milliseconds timeout = {}) {
        wire::JobSpec spec{.function = function, .timeout = timeout, .owner = {}};
        wire::JobBrief brief{.spec = spec,
                             .assignment = 1,
                             .gatherer = {.name = "g", .epoch = {1, 1}, .results = {bound_[1]}}};
        ++sequence_;
        job.bytes[14] = static_cast<std::uint8_t>(sequence_ >> 8);  // each chunk is a job
        job.bytes[15] = static_cast<std::uint8_t>(sequence_);
        send(wire::Dispatch{.sequence = sequence_,
                            .job = job,
                            .first = 0,
                            .count = count,
                            .attempt = 1,
                            .brief = brief},
             body);
    }
    /// The next message of this kind; others are passed over.
    template <class M>
    M next() {
        auto until = std::chrono::steady_clock::now() + patience;
        while (std::chrono::steady_clock::now() < until) {
            std::vector<zmq::pollitem_t> items{{control_.handle(), 0, ZMQ_POLLIN, 0}};
            zmq::poll(items, 100ms);
            auto incoming = net::receive(control_);
            if (!incoming) continue;
            REQUIRE(incoming->message);
            worker_ = incoming->from;
            if (auto* message = std::get_if<M>(&*incoming->message)) return std::move(*message);
        }
        FAIL("no such message came");
        return {};
    }
    /// The values of the next chunk.
    std::string values(std::uint32_t count) {
        std::string all;
        for (std::uint32_t found = 0; found < count;) {
            std::vector<zmq::pollitem_t> items{{results_.handle(), 0, ZMQ_POLLIN, 0}};
            REQUIRE(zmq::poll(items, patience) == 1);
            auto incoming = net::receive(results_);
            REQUIRE(incoming);
            REQUIRE(incoming->message);
            found += std::get<wire::Results>(*incoming->message).count;
            all += incoming->body.view();
        }
        return all;
    }
    void run(const std::string& function, std::uint32_t count, const std::string& body) {
        dispatch(function, count, body);
        values(count);
        next<wire::Done>();
    }
    /// Asks for the last chunk's results once more, at these endpoints.
    void send_again(std::uint32_t assignment, std::vector<std::string> results) {
        send(wire::SendAgain{
            .job = job,
            .assignment = assignment,
            .gatherer = {.name = "g", .epoch = {1, 1}, .results = std::move(results)},
            .ranges = {{0, 1}}});
    }
    const std::string& results_endpoint() const { return bound_[1]; }
    /// Says Bye for it, and waits for the shell's end; returns its error.
    std::string end() {
        send(wire::Refused{
            .code = wire::RefusalCode::conflict, .text = "the test is over", .job = {}});
        return ended();
    }
    std::string ended() {
        thread_.join();
        return error_;
    }

    wire::Hello hello;
    JobId job;  // of the last chunk

private:
    zmq::context_t context_;
    std::vector<std::string> bound_;
    net::BoundSocket control_;
    net::Backlog backlog_;
    net::BoundSocket results_;
    PeerId worker_;
    std::uint64_t sequence_ = 0;
    std::string error_;
    std::thread thread_;
};

/// A handler that is short, but for the payload 1.
struct Sometimes : std::enable_shared_from_this<Sometimes> {
    Gate entered;
    Gate gate;
    std::atomic<std::thread::id> thread{};  // on which it ran last
    std::atomic<bool> cancelled{false};

    FunctionTable table() {
        return with("sometimes", fanfold::detail::make_raw(
                                     [self = shared_from_this()](Context& context, int number) {
                                         self->thread = std::this_thread::get_id();
                                         if (number == 1) {
                                             self->entered.open();
                                             self->gate.wait();
                                             self->cancelled = context.cancelled();
                                         }
                                         return number;
                                     }));
    }
};

/// Until the shell runs it on the thread that leads, as the first was not.
void train(ShellBench& stage, const Sometimes& function) {
    const std::string payloads = packed(0) + packed(0) + packed(0);
    stage.run("sometimes", 3, payloads);
    std::thread::id slot = function.thread;
    for (auto until = std::chrono::steady_clock::now() + patience;
         function.thread.load() == slot;) {
        REQUIRE(std::chrono::steady_clock::now() < until);
        stage.run("sometimes", 3, payloads);
    }
}

}  // namespace

TEST_CASE("worker shell: a handler that was thought short, and is not, holds up no heartbeat") {
    auto function = std::make_shared<Sometimes>();
    ShellBench stage(function->table());
    train(stage, *function);
    stage.dispatch("sometimes", 3, packed(0) + packed(1) + packed(2));
    CHECK(function->entered.wait());
    for (int i = 0; i < 5; ++i) {
        auto heartbeat = stage.next<wire::Heartbeat>();
        CHECK(heartbeat.stuck_slots == 0);
    }
    CHECK(stage.values(1) == packed(0));  // what was finished before it is told
    SUBCASE("it returns, and its worker goes on") {
        function->gate.open();
        CHECK(stage.values(2) == packed(1) + packed(2));
        CHECK_FALSE(function->cancelled);
        stage.run("sometimes", 1, packed(0));
    }
    SUBCASE("it is told to stop") {
        stage.send(wire::Drop{stage.job});
        stage.next<wire::Heartbeat>();
        stage.next<wire::Heartbeat>();
        function->gate.open();
        stage.run("sometimes", 1, packed(0));
        CHECK(function->cancelled);
    }
    SUBCASE("the tail behind it is recalled") {
        stage.send(wire::Recall{.number = 1, .items = {{stage.job, {{0, 3}}}}});
        auto done = stage.next<wire::Done>();
        while (done.recall == 0) done = stage.next<wire::Done>();
        bool held_back = done.recalled.empty();  // it was claimed with the one that runs
        if (!held_back) CHECK(done.recalled[0].ranges == std::vector<Range>{{2, 3}});
        function->gate.open();
        CHECK(stage.values(held_back ? 2 : 1).substr(0, 1) == packed(1));
    }
    SUBCASE("another task comes meanwhile, and waits for the slot") {
        stage.dispatch("sometimes", 1, packed(3));
        stage.next<wire::Heartbeat>();
        function->gate.open();
        CHECK(stage.values(3) == packed(1) + packed(2) + packed(3));
    }
    SUBCASE("the worker leaves") {
        CHECK(stage.end() == "the broker refuses this worker: the test is over");
        function->gate.open();
    }
}

TEST_CASE("worker shell: tells what it has, and which functions are idempotent") {
    ShellBench stage(with("mine", [](Context&, std::string_view, std::string&) {}));
    CHECK(stage.hello.functions ==
          std::vector<std::string>{"fanfold.echo", "fanfold.fail", "fanfold.sleep", "mine"});
    CHECK(stage.hello.idempotent ==
          std::vector<std::string>{"fanfold.echo", "fanfold.fail", "fanfold.sleep"});
    CHECK(stage.hello.labels == std::vector<std::string>{"gpu"});
    CHECK(stage.hello.resources == std::vector<wire::Resource>{{"mem", 2048}});
}

TEST_CASE("worker shell: nothing goes to a gatherer that is nowhere any more") {
    ShellBench stage(with("mine", [](Context&, std::string_view, std::string&) {}));
    stage.run("fanfold.echo", 1, packed(7));
    stage.send_again(1, {});
    stage.send_again(2, {stage.results_endpoint()});  // it is somewhere again
    CHECK(stage.values(1) == packed(7));
    stage.send(wire::Release{.items = {{stage.job, {{0, 1}}}}});
    stage.dispatch("fanfold.echo", 1, packed(8));
    CHECK(stage.values(1) == packed(8));
}

TEST_CASE("worker shell: the timeout of a handler that was thought short is kept") {
    auto function = std::make_shared<Sometimes>();  // it is left behind on its thread
    ShellBench stage(function->table());
    train(stage, *function);
    stage.dispatch("sometimes", 2, packed(1) + packed(0), 100ms);
    CHECK(function->entered.wait());
    auto done = stage.next<wire::Done>();
    while (done.failures.empty()) done = stage.next<wire::Done>();
    CHECK(done.failures[0].failures[0].kind == wire::FailureKind::timeout);
    CHECK(done.failures[0].failures[0].index == 0);
    CHECK(stage.ended() ==
          "its only slot is stuck in a handler that ran past its timeout: 'sometimes'");
    function->gate.open();
}

}  // namespace fanfold::worker
