// The base of every harness for a core: it records what the core does, and fails the test on what
// the test did not look at. The words are the same for all components: say, expect, ignore, skip,
// nothing_left.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::testing {

/// A job's id that is easy to read in a failure: the number stands at its beginning and its end.
inline JobId job_number(std::uint64_t number) {
    return make_job_id(std::chrono::milliseconds(number), 0, number);
}

/// Where the order counts: among all actions of the core, or among those that go to one peer.
enum class Order { overall, of_each_peer };

template <class T, class Variant>
inline constexpr bool is_alternative = false;
template <class T, class... Alternatives>
inline constexpr bool is_alternative<T, std::variant<Alternatives...>> =
    (std::is_same_v<T, Alternatives> || ...);

/// What a core did and the test has not looked at yet.
template <class Action, Order order>
class Recorder {
public:
    Recorder() = default;
    ~Recorder() { nothing_left(); }
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    /// The oldest message to the peer (without a name: to the core's one broker), or the oldest
    /// action, which must be a T. What is ignored may stand before it.
    template <class T>
    T expect(std::string_view peer = {}, Slice* body = nullptr) {
        auto at = next<T>(peer);
        REQUIRE_MESSAGE(at != actions_.end(), "expected ", name<T>(), peer.empty() ? "" : " to ",
                        peer, "; there is: ", described());
        REQUIRE_MESSAGE(as<T>(*at) != nullptr, "expected ", name<T>(), "; it is ", describe(*at));
        T taken = *as<T>(*at);
        if (body != nullptr) *body = body_of(*at);
        actions_.erase(at);
        return taken;
    }
    template <class T>
    T expect(Slice* body) {
        return expect<T>(std::string_view(), body);
    }
    /// All that come next and are a T; it may be none.
    template <class T>
    std::vector<T> expect_all(std::string_view peer = {}) {
        std::vector<T> found;
        for (auto& [each, body] : expect_all_with_bodies<T>(peer)) found.push_back(std::move(each));
        return found;
    }

    template <class T>
    std::vector<std::pair<T, Slice>> expect_all_with_bodies(std::string_view peer = {}) {
        std::vector<std::pair<T, Slice>> found;
        for (auto at = next<T>(peer); at != actions_.end() && as<T>(*at); at = next<T>(peer)) {
            Slice body;
            T message = expect<T>(peer, &body);
            found.emplace_back(std::move(message), std::move(body));
        }
        return found;
    }

    /// From now on nobody needs to look at these messages or actions; they can still be expected.
    template <class... Ts>
    void ignore() {
        (ignored_.push_back(kind<Ts>()), ...);
    }
    /// Passes over what there is (for the peer), which must be among these or ignored.
    template <class... Ts>
    void skip() {
        skip_if<Ts...>([](const Action&) { return true; });
    }
    template <class... Ts>
    void skip(std::string_view peer) {
        skip_if<Ts...>([&](const Action& action) { return peer_of(action) == peer; });
    }

    /// Whether the core did nothing (for the peer) that was not looked at, ignored or not.
    bool silent() const { return actions_.empty(); }
    bool silent(std::string_view peer) const {
        return std::none_of(actions_.begin(), actions_.end(),
                            [&](const Action& action) { return peer_of(action) == peer; });
    }
    /// Everything that was not looked at, for a test which goes through it itself.
    std::vector<Action> take_rest() {
        std::vector<Action> rest(std::make_move_iterator(actions_.begin()),
                                 std::make_move_iterator(actions_.end()));
        actions_.clear();
        return rest;
    }
    /// Fails on what nobody looked at.
    void nothing_left() {
        for (const Action& action : actions_)
            if (!is_ignored(action)) FAIL_CHECK("nobody looked at ", describe(action));
        actions_.clear();
    }

protected:
    void record(Action action) { actions_.push_back(std::move(action)); }

private:
    using Kind = std::pair<bool, std::size_t>;  // a message or an action, and its place among those
    using Actions = std::deque<Action>;

    template <class T>
    static constexpr bool is_action = is_alternative<T, Action>;

    template <class T>
    static const T* as(const Action& action) {
        if constexpr (is_action<T>) {
            return std::get_if<T>(&action);
        } else {
            const wire::Message* message = message_of(action);
            return message == nullptr ? nullptr : std::get_if<T>(message);
        }
    }
    static const wire::Message* message_of(const Action& action) {
        return std::visit(
            [](const auto& each) -> const wire::Message* {
                if constexpr (requires { std::get<wire::Hello>(each.message); })
                    return &each.message;
                else return nullptr;
            },
            action);
    }
    static Slice body_of(const Action& action) {
        return std::visit(
            [](const auto& each) -> Slice {
                if constexpr (requires { Slice(each.body); }) return each.body;
                else return {};
            },
            action);
    }
    static std::string_view peer_of(const Action& action) {
        return std::visit(
            [](const auto& each) -> std::string_view {
                if constexpr (requires { each.to.bytes; }) return each.to.bytes;
                else if constexpr (requires { each.to.name; }) return each.to.name;
                else return {};
            },
            action);
    }
    static Kind kind_of(const Action& action) {
        const wire::Message* message = message_of(action);
        return {message != nullptr, message != nullptr ? message->index() : action.index()};
    }
    template <class T>
    static Kind kind() {
        if constexpr (is_action<T>) return {false, Action(T{}).index()};
        else return {true, wire::Message(T{}).index()};
    }
    template <class T>
    static std::string name() {
        if constexpr (is_action<T>) return "action " + std::to_string(kind<T>().second);
        else return wire::name_of(T{});
    }
    static std::string describe(const Action& action) {
        std::string text = "action " + std::to_string(action.index());
        if (const wire::Message* message = message_of(action)) text = wire::name_of(*message);
        if (!peer_of(action).empty()) text.append(" to ").append(peer_of(action));
        std::visit(
            [&](const auto& each) {
                if constexpr (requires { each.what + each.detail; })
                    text = "note: " + (each.what + (" " + each.detail));
            },
            action);
        return text;
    }
    std::string described() const {
        std::string text;
        for (const Action& action : actions_) text += "[" + describe(action) + "] ";
        return text.empty() ? "nothing" : text;
    }
    bool is_ignored(const Action& action) const {
        return std::find(ignored_.begin(), ignored_.end(), kind_of(action)) != ignored_.end();
    }

    /// What a T is looked for in: the actions to one peer, or those of T's own kind.
    template <class T>
    bool concerns(const Action& action, std::string_view peer) const {
        if constexpr (order == Order::overall) {
            return true;
        } else if constexpr (is_action<T>) {
            return std::holds_alternative<T>(action);
        } else {
            return message_of(action) != nullptr && peer_of(action) == peer;
        }
    }
    template <class T>
    auto next(std::string_view peer) {
        auto at = std::find_if(actions_.begin(), actions_.end(), [&](const Action& action) {
            return concerns<T>(action, peer) && (as<T>(action) || !is_ignored(action));
        });
        if constexpr (order == Order::overall && !is_action<T>)
            if (at != actions_.end() && as<T>(*at))
                CHECK_MESSAGE(peer_of(*at) == peer, "it is ", describe(*at));
        return at;
    }
    template <class... Ts, class Chosen>
    void skip_if(Chosen chosen) {
        const std::array<Kind, sizeof...(Ts)> named{kind<Ts>()...};
        std::erase_if(actions_, [&](const Action& action) {
            if (!chosen(action)) return false;
            if (std::find(named.begin(), named.end(), kind_of(action)) == named.end() &&
                !is_ignored(action))
                FAIL_CHECK("nobody looked at ", describe(action));
            return true;
        });
    }

    Actions actions_;
    std::vector<Kind> ignored_;
};

}  // namespace fanfold::testing
