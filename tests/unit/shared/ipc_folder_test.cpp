#include "shared/net/ipc_folder.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "shared/net/endpoints.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/gatekeeper.hpp"
#include "shared/security/secured_sockets.hpp"

using namespace fanfold;
namespace files = std::filesystem;

namespace {
/// A folder of this test's own, with mode 0700; gone with it.
class SocketFolder {
public:
    SocketFolder() {
        std::string name = (files::temp_directory_path() / "fanfold-ipc-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~SocketFolder() { files::remove_all(path_); }
    SocketFolder(const SocketFolder&) = delete;
    SocketFolder& operator=(const SocketFolder&) = delete;
    std::string path() const { return path_; }
    std::string endpoint() const { return "ipc://" + path_ + "/socket"; }
    void close_to(mode_t mode) const { REQUIRE(chmod(path_.c_str(), mode) == 0); }

private:
    std::string path_;
};

constexpr auto for_binding = net::IpcFolder::for_binding;
constexpr auto for_connecting = net::IpcFolder::for_connecting;

std::string error_of(const Result<void>& result) { return result ? "" : result.error().text; }

bool input_comes(zmq::socket_t& socket) {
    std::array<zmq::pollitem_t, 1> items{{{socket.handle(), 0, ZMQ_POLLIN, 0}}};
    return zmq::poll(items.data(), items.size(), std::chrono::seconds(20)) == 1;
}
}  // namespace

TEST_CASE("what is bound is in a folder of one's own that is closed to others") {
    SocketFolder folder;
    CHECK(net::check_ipc_folder(folder.endpoint(), for_binding));
    CHECK(net::check_ipc_folder("tcp://0.0.0.0:1", for_binding));
    for (mode_t mode : {0750, 0705, 0770, 0777, 01777}) {
        folder.close_to(mode);
        CHECK(error_of(net::check_ipc_folder(folder.endpoint(), for_binding)) ==
              "its folder " + folder.path() + " is open to other users; close it with: chmod 700 " +
                  folder.path() + ", or make another with: mkdir -m 700 FOLDER");
    }
    CHECK_FALSE(net::check_ipc_folder("ipc:///tmp/socket", for_binding));
    CHECK(error_of(net::check_ipc_folder("ipc:///nowhere/at-all/socket", for_binding)) ==
          "there is no folder /nowhere/at-all; make it with: mkdir -m 700 /nowhere/at-all");
    CHECK(error_of(net::check_ipc_folder("ipc:///nowhere/at-all/socket", for_connecting)) ==
          "there is no folder /nowhere/at-all, so nobody listens in it; look for the endpoint in "
          "the line that the broker printed when it was ready");
    zmq::context_t context;
    std::vector<std::string> bound;
    CHECK_THROWS_WITH_AS(
        net::bind(context, zmq::socket_type::pull, {folder.endpoint()}, "--bind", bound),
        doctest::Contains("is open to other users; close it with: chmod 700 "), StartupError);
}

TEST_CASE("what is connected to is in a folder in which no other user can put a socket") {
    SocketFolder folder;
    CHECK(net::check_ipc_folder(folder.endpoint(), for_connecting));
    folder.close_to(0755);
    CHECK(net::check_ipc_folder(folder.endpoint(), for_connecting));
    CHECK(net::check_ipc_folder("ipc:///run/socket", for_connecting));  // root's
    for (mode_t mode : {0775, 0757, 01777}) {
        folder.close_to(mode);
        CHECK(error_of(net::check_ipc_folder(folder.endpoint(), for_connecting)) ==
              "its folder " + folder.path() +
                  " can be written by other users; make one of your own with: mkdir -m 700 FOLDER");
    }
    zmq::context_t context;
    CHECK_THROWS_AS(net::connect(context, zmq::socket_type::push, folder.endpoint()), StartupError);
    // A peer may name any endpoint: one that is not to be trusted is passed over.
    std::ofstream(folder.path() + "/socket") << "";
    std::vector<std::string> named{folder.endpoint(), "tcp://192.0.2.1:7"};
    CHECK(net::choose_endpoint(named, folder.endpoint()) == named[1]);
    folder.close_to(0700);
    CHECK(net::choose_endpoint(named, folder.endpoint()) == named[0]);
    CHECK(net::choose_endpoint(named, "tcp://192.0.2.2:7") == named[1]);
    CHECK(net::choose_endpoint({named[0]}, "tcp://192.0.2.2:7") == named[0]);
    for (const char* all : {"0.0.0.0", "[::]", "*", "[::ffff:0.0.0.0]"})
        CHECK(net::choose_endpoint({std::string("tcp://") + all + ":9"}, "tcp://192.0.2.2:7") ==
              "tcp://192.0.2.2:9");
}

TEST_CASE("a folder of another user is refused") {
    if (geteuid() != 0) return;  // only root can make one
    SocketFolder folder;
    REQUIRE(chown(folder.path().c_str(), 65534, 65534) == 0);
    for (auto use : {for_binding, for_connecting})
        CHECK(error_of(net::check_ipc_folder(folder.endpoint(), use))
                  .find("belongs to another user") != std::string::npos);
}

TEST_CASE("a socket without a folder can't be closed to others") {
    for (bool binds : {true, false})
        for (const char* endpoint : {"ipc://@abstract", "ipc://*"})
            CHECK(error_of(net::check_endpoint(endpoint, "--bind", binds)).find("has no folder") !=
                  std::string::npos);
}

TEST_CASE("messages go over ipc, also with keys") {
    SocketFolder folder;
    for (bool with_keys : {false, true}) {
        CAPTURE(with_keys);
        zmq::context_t context;
        KeyPair own = make_key_pair();
        KeyPair client = make_key_pair();
        std::optional<net::Gatekeeper> gatekeeper;
        if (with_keys) {
            gatekeeper.emplace(context, net::Gatekeeper::Options{.own = own, .component = "test"});
            gatekeeper->replace({{.public_key = client.public_key, .user = "one", .roles = 15}});
        }
        std::vector<std::string> bound;
        auto router = net::bind(context, zmq::socket_type::router, {folder.endpoint()}, "--bind",
                                bound, {.gatekeeper = with_keys ? &*gatekeeper : nullptr});
        net::Proof proof;
        if (with_keys) proof = {.own = &client, .server = own.public_key};
        auto dealer =
            net::connect(context, zmq::socket_type::dealer, bound.front(), PeerId{"cabc"}, proof);
        net::send(dealer, wire::Bye{.reason = "over ipc"});
        REQUIRE(input_comes(router));
        auto incoming = net::receive(router);
        REQUIRE(incoming);
        CHECK(incoming->from.bytes == "cabc");
        CHECK(incoming->user_id == (with_keys ? client.public_key : ""));
        net::Backlog backlog;
        net::send_to(router, backlog, {"cabc"}, wire::Bye{.reason = "back"});
        REQUIRE(input_comes(dealer));
        CHECK(net::receive(dealer)->message.has_value());
    }
}
