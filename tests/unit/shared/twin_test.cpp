#include "shared/net/twin.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <zmq.hpp>

#include "shared/net/backlog.hpp"
#include "shared/net/net.hpp"

using namespace fanfold;

namespace {
namespace files = std::filesystem;

/// A folder of this test's own, as XDG_RUNTIME_DIR; gone with it, and the variable as it was.
class RuntimeFolder {
public:
    RuntimeFolder() {
        std::string name = (files::temp_directory_path() / "fanfold-twins-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
        if (const char* before = std::getenv("XDG_RUNTIME_DIR")) before_ = before;
        setenv("XDG_RUNTIME_DIR", path_.c_str(), 1);
    }
    ~RuntimeFolder() {
        if (before_) setenv("XDG_RUNTIME_DIR", before_->c_str(), 1);
        else unsetenv("XDG_RUNTIME_DIR");
        files::remove_all(path_);
    }
    std::string path() const { return path_; }
    std::string twins() const { return path_ + "/fanfold"; }

private:
    std::string path_;
    std::optional<std::string> before_;
};

struct Listener {
    zmq::context_t context;
    std::vector<std::string> bound;
    zmq::socket_t socket =
        net::bind(context, zmq::socket_type::pull, {"tcp://127.0.0.1:*"}, "--bind", bound);
    std::optional<net::Twins> holder = std::optional<net::Twins>(std::in_place, socket, bound);
    std::vector<std::string> twins = holder->endpoints();

    std::string port() const { return net::tcp_address(bound.front())->port; }
};
}  // namespace

TEST_CASE("a tcp endpoint of this host is reached by its twin while somebody listens there") {
    RuntimeFolder runtime;
    std::string endpoint;
    std::string twin;
    {
        Listener listener;
        REQUIRE(listener.twins.size() == 1);
        twin = listener.twins.front();
        endpoint = listener.bound.front();
        CHECK(twin.starts_with("ipc://" + runtime.twins() + "/"));
        CHECK(net::answers(twin));
        CHECK(net::twin_or_itself(endpoint) == twin);
        CHECK(net::twin_or_itself("tcp://localhost:" + listener.port()) == twin);
        // Other addresses of this host, and other hosts, are not where it listens.
        for (const char* host : {"127.0.0.2", "192.0.2.1", "another.invalid"})
            CHECK(net::twin_or_itself("tcp://" + std::string(host) + ":" + listener.port()) ==
                  "tcp://" + std::string(host) + ":" + listener.port());
        CHECK(net::choose_endpoint({twin, endpoint}, endpoint) == twin);
        CHECK(net::choose_endpoint({endpoint, twin}, endpoint) == twin);
        CHECK(net::twin_or_itself("ipc:///somewhere") == "ipc:///somewhere");
    }
    CHECK_FALSE(files::exists(twin.substr(6)));
    CHECK_FALSE(net::answers(twin));
    CHECK(net::twin_or_itself(endpoint) == endpoint);
}

TEST_CASE("a message goes by the twin, and the routing id says so") {
    RuntimeFolder runtime;
    zmq::context_t context;
    std::vector<std::string> bound;
    auto router =
        net::bind(context, zmq::socket_type::router, {"tcp://127.0.0.1:*"}, "--bind", bound);
    net::Twins holder(router, bound);
    REQUIRE(holder.endpoints().size() == 1);
    auto dealer = net::connect(context, zmq::socket_type::dealer, bound.front(), PeerId{"cabc"});
    CHECK(dealer.get(zmq::sockopt::last_endpoint) == holder.endpoints().front());
    net::send(dealer, wire::Bye{.reason = "over the twin"});
    std::array<zmq::pollitem_t, 1> items{{{router.handle(), 0, ZMQ_POLLIN, 0}}};
    REQUIRE(zmq::poll(items.data(), items.size(), std::chrono::seconds(20)) == 1);
    auto incoming = net::receive(router);
    REQUIRE(incoming);
    CHECK(incoming->from.bytes == "Cabc");
    CHECK(std::get<wire::Bye>(*incoming->message).reason == "over the twin");

    net::Backlog backlog;
    net::send_to(router, backlog, {"Cabc"}, wire::Bye{.reason = "back"});
    items[0] = {dealer.handle(), 0, ZMQ_POLLIN, 0};
    REQUIRE(zmq::poll(items.data(), items.size(), std::chrono::seconds(20)) == 1);
    CHECK(net::receive(dealer)->message.has_value());
}

TEST_CASE("what a dead listener left is passed over, and replaced by the next one") {
    RuntimeFolder runtime;
    Listener listener;
    REQUIRE(listener.twins.size() == 1);
    std::string path = listener.twins.front().substr(6);
    std::string endpoint = listener.bound.front();
    listener.holder.reset();
    CHECK_FALSE(files::exists(path));
    // As SIGKILL leaves it: the file is there, nobody listens.
    {
        zmq::context_t context;
        zmq::socket_t other(context, zmq::socket_type::pull);
        other.bind("ipc://" + path);
        CHECK(net::twin_or_itself(endpoint) == "ipc://" + path);
    }
    REQUIRE(files::is_socket(path));
    CHECK(net::twin_or_itself(endpoint) == endpoint);
    CHECK(net::choose_endpoint({"ipc://" + path, endpoint}, endpoint) == endpoint);
    CHECK(net::choose_endpoint({"ipc://" + path}, endpoint) == "ipc://" + path);
    zmq::context_t context;
    zmq::socket_t next(context, zmq::socket_type::pull);
    net::Twins twins(next, {endpoint});
    CHECK(twins.endpoints() == std::vector{"ipc://" + path});
    CHECK(net::twin_or_itself(endpoint) == "ipc://" + path);
}

TEST_CASE("a folder that is not this user's alone is refused") {
    RuntimeFolder runtime;
    std::string path = runtime.twins();
    CHECK(net::private_folder(path) == path);
    struct stat found {};
    REQUIRE(stat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 07777) == 0700);

    Listener listener;
    REQUIRE(listener.twins.size() == 1);
    REQUIRE(chmod(path.c_str(), 0750) == 0);
    CHECK_FALSE(net::private_folder(path));
    CHECK(net::twin_or_itself(listener.bound.front()) == listener.bound.front());
    REQUIRE(chmod(path.c_str(), 0700) == 0);
    CHECK(net::twin_or_itself(listener.bound.front()) == listener.twins.front());

    files::rename(path, path + "-elsewhere");
    files::create_directory_symlink(path + "-elsewhere", path);
    CHECK_FALSE(net::private_folder(path));
    CHECK(net::twin_or_itself(listener.bound.front()) == listener.bound.front());
    files::remove(path);
    std::ofstream(path) << "a file";
    CHECK_FALSE(net::private_folder(path));
    if (geteuid() == 0) {
        files::remove(path);
        REQUIRE(mkdir(path.c_str(), 0700) == 0);
        REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
        CHECK(net::private_folder(path).error().text.find("belongs to another user") !=
              std::string::npos);
    }
}

TEST_CASE("a socket of another user in the folder is not taken") {
    if (geteuid() != 0) return;  // only root can make one
    RuntimeFolder runtime;
    Listener listener;
    REQUIRE(listener.twins.size() == 1);
    REQUIRE(lchown(listener.twins.front().c_str() + 6, 65534, 65534) == 0);
    CHECK(net::twin_or_itself(listener.bound.front()) == listener.bound.front());
}

TEST_CASE("a listener at all addresses has one twin for each name of this host") {
    auto paths = net::twin_paths("/folder", "tcp://0.0.0.0:7411");
    REQUIRE(paths.size() == 1);
    CHECK(paths.front().ends_with("-any-7411"));
    auto by_address = net::twin_paths("/folder", "tcp://127.0.0.1:7411");
    REQUIRE(by_address.size() == 2);
    CHECK(by_address.front().ends_with("-127.0.0.1-7411"));
    CHECK(by_address.back() == paths.front());
    CHECK(net::twin_paths("/folder", "tcp://[::1]:7411").front().ends_with("-__1-7411"));
    CHECK(net::twin_paths("/folder", "tcp://192.0.2.1:7411").empty());
    CHECK(net::twin_paths("/folder", "ipc:///path").empty());
}

TEST_CASE("a path too long for a socket leaves tcp alone") {
    RuntimeFolder runtime;
    std::string deep = runtime.path() + "/" + std::string(90, 'x');
    REQUIRE(files::create_directory(deep));
    setenv("XDG_RUNTIME_DIR", deep.c_str(), 1);
    Listener listener;
    CHECK(listener.twins.empty());
    CHECK(net::twin_or_itself(listener.bound.front()) == listener.bound.front());
    CHECK_FALSE(net::answers("ipc://" + std::string(200, 'x')));
}
