#include "scatterer/cli/verbs/doctor.hpp"

#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/base/output.hpp"
#include "shared/base/machine.hpp"
#include "shared/base/text.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/loop.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/secured_sockets.hpp"

namespace fanfold::scatterer::cli {

namespace {

using News = net::HandshakeWatch::News;

class Doctor {
public:
    explicit Doctor(const CommandLine& line)
        : common_(line.common), from_(line.doctor.from), keys_(keys_of(line.common)) {}

    int run() {
        zmq::socket_t control;  // outlives its watch
        std::optional<net::HandshakeWatch> watch;
        control = open(zmq::socket_type::dealer, common_.broker, net::proof_for(keys_, &watch));
        tell("the broker's control port", common_.broker, *watch);
        // A gatherer that said Hello would be given jobs, and it needs no other port.
        if (good_ && from_ != "gatherer") ask(control);
        output_.flush();
        return good_ ? exit_good : exit_error;
    }

private:
    static std::optional<Keys> keys_of(const CommonOptions& common) {
        const std::string folder = keys_folder(common.keys);
        return folder.empty() ? std::nullopt : std::optional(must(load_keys(folder)));
    }
    Time until() const { return net::Loop::now() + common_.connect_timeout; }
    zmq::socket_t open(zmq::socket_type type, const std::string& endpoint,
                       const net::Proof& proof) {
        return net::connect(context_, type, endpoint,
                            type == zmq::socket_type::dealer ? random_peer_id('d') : PeerId{},
                            proof);
    }

    /// Waits until the connection stands, or for as long as --connect-timeout says.
    void tell(const std::string& what, const std::string& endpoint, net::HandshakeWatch& watch) {
        std::string why = "nobody answers there in time; open the port, or see what listens";
        bool reached = false;
        for (const Time end = until(); !reached && net::Loop::now() < end;) {
            wait_for_input(watch.socket(), end);
            auto news = watch.read();
            if (!news) continue;
            reached = *news == News::accepted;
            if (auto trouble = net::trouble_of(*news, "it", keys_)) why = trouble->text;
        }
        say(reached, what, endpoint, why);
    }
    void say(bool reached, const std::string& what, const std::string& endpoint,
             const std::string& why) {
        good_ = good_ && reached;
        std::string line = (reached ? "reached      " : "NOT REACHED  ") + endpoint + "  " + what;
        output_.append(printable(reached ? line : line + ": " + why) + '\n');
    }
    static void wait_for_input(zmq::socket_t& socket, Time end) {
        zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
        zmq::poll(&item, 1, std::chrono::ceil<std::chrono::milliseconds>(end - net::Loop::now()));
    }

    /// The broker's welcome names the rest. A worker without functions gets no work.
    void ask(zmq::socket_t& control) {
        const bool works = from_ == "worker";
        net::send(control, wire::Hello{.role = works ? wire::Role::worker : wire::Role::client,
                                       .name = "doctor-" + process_name(),
                                       .epoch = {.number = 0, .incarnation = random_number()},
                                       .slots = 1});
        for (const Time end = until(); net::Loop::now() < end;) {
            wait_for_input(control, end);
            auto incoming = net::receive(control);
            if (!incoming || !incoming->message) continue;
            if (auto* refused = std::get_if<wire::Refused>(&*incoming->message))
                throw SystemError("the broker refuses: " + refused->text);
            auto* welcome = std::get_if<wire::Welcome>(&*incoming->message);
            if (!welcome) continue;
            if (!works)
                try_port("the broker's payloads port", welcome->blocks, net::proof_for(keys_),
                         zmq::socket_type::push);
            for (const wire::GathererRef& gatherer : welcome->gatherers)
                try_gatherer(gatherer, works);
            if (welcome->gatherers.empty()) output_.append("no gatherer is connected\n");
            net::send(control, wire::Bye{.reason = "the doctor has seen enough"});
            control.set(zmq::sockopt::linger, 500);
            return;
        }
        throw SystemError("the broker at " + common_.broker + " takes connections and is silent");
    }
    void try_gatherer(const wire::GathererRef& gatherer, bool works) {
        const auto& endpoints = works ? gatherer.results : gatherer.collect;
        const std::string what = "gatherer " + gatherer.name;
        auto proof =
            net::proof_for(keys_, gatherer, net::choose_endpoint(endpoints, common_.broker));
        if (!proof) return say(false, what, "-", proof.error().text);
        try_port(what, endpoints, *proof,
                 works ? zmq::socket_type::push : zmq::socket_type::dealer);
    }
    void try_port(const std::string& what, const std::vector<std::string>& endpoints,
                  net::Proof proof, zmq::socket_type type) {
        const std::string endpoint = net::choose_endpoint(endpoints, common_.broker);
        if (endpoint.empty())
            return say(false, what, "-", "none of its endpoints is for this host");
        zmq::socket_t socket;  // outlives its watch
        std::optional<net::HandshakeWatch> watch;
        proof.watch = &watch;
        socket = open(type, endpoint, proof);
        tell(what, endpoint, *watch);
    }

    const CommonOptions& common_;
    const std::string& from_;
    const std::optional<Keys> keys_;
    zmq::context_t context_;
    Output output_{1, "standard output"};
    bool good_ = true;
};

}  // namespace

int run_doctor(const CommandLine& line) { return Doctor(line).run(); }

}  // namespace fanfold::scatterer::cli
