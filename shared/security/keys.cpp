#include "shared/security/keys.hpp"

#include <strings.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <set>
#include <vector>

#include "shared/base/duration.hpp"
#include "shared/base/limits.hpp"

namespace fanfold {

namespace {
constexpr std::size_t key_length = 40;  // in Z85

struct RoleName {
    std::string_view name;
    Access access;
};
constexpr std::array role_names{RoleName{"submit", Access::submit}, RoleName{"work", Access::work},
                                RoleName{"gather", Access::gather},
                                RoleName{"admin", Access::admin}};

void wipe(std::string& secret) { explicit_bzero(secret.data(), secret.size()); }

std::vector<std::string_view> words_of(std::string_view line) {
    constexpr std::string_view blanks = " \t\r";
    std::vector<std::string_view> words;
    while (true) {
        auto begin = line.find_first_not_of(blanks);
        if (begin == std::string_view::npos) return words;
        auto end = std::min(line.find_first_of(blanks, begin), line.size());
        words.push_back(line.substr(begin, end - begin));
        line.remove_prefix(end);
    }
}

struct Line {
    std::vector<std::string_view> words;  // never none
    std::string where;                    // FILE:NUMBER
};

/// Those that say something.
std::vector<Line> lines_of(std::string_view text, const std::string& file) {
    std::vector<Line> lines;
    for (std::size_t number = 1; !text.empty(); ++number) {
        auto end = std::min(text.find('\n'), text.size());
        auto words = words_of(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!words.empty() && words[0][0] != '#')
            lines.push_back({std::move(words), file + ":" + std::to_string(number)});
    }
    return lines;
}

tl::unexpected<Error> no_key(const Line& line, std::string_view word) {
    return fail(line.where + ": '" + std::string(word.substr(0, key_length)) +
                "' is no public key, which has 40 characters of Z85");
}

Result<void> take_limit(UserLimits& limits, std::string_view word, const std::string& where) {
    auto equals = std::min(word.find('='), word.size());
    std::string_view name = word.substr(0, equals);
    std::string value(word.substr(std::min(equals + 1, word.size())));
    if (name == "priority") {
        std::int32_t most = 0;
        auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), most);
        if (error != std::errc() || end != value.data() + value.size())
            return fail(where + ": priority='" + value +
                        "' is no whole number of 32 bits, such as 0 or 10");
        limits.priority = most;
        return {};
    }
    std::uint64_t* into = name == "jobs"          ? &limits.open_jobs
                          : name == "bytes"       ? &limits.held_bytes
                          : name == "payload"     ? &limits.payload_bytes
                          : name == "fragments"   ? &limits.fragments
                          : name == "submissions" ? &limits.submissions
                                                  : nullptr;
    if (!into)
        return fail(where + ": '" + std::string(word) +
                    "' is no limit; write jobs=N, bytes=SIZE, payload=SIZE, fragments=N, "
                    "submissions=N (a minute) or priority=N (the highest)");
    auto number = parse_size(value);
    if (!number || *number == 0)
        return fail(where + ": " + std::string(name) + "='" + value +
                    "' is no number above 0, such as 100 or 4G");
    *into = *number;
    return {};
}

/// `limits USER|* NAME=N…`
Result<void> take_limits(KeysChanged& allowed, std::set<std::string>& limited, const Line& line) {
    if (line.words.size() < 3)
        return fail(
            line.where +
            ": limits of whom? write limits USER jobs=N …, or limits * jobs=N … for all others");
    std::string user(line.words[1]);
    if (user != "*" && !is_user_name(user))
        return fail(line.where + ": '" + user + "' can't name a user");
    if (!limited.insert(user).second)
        return fail(line.where + ": the limits of " + user + " are given twice");
    UserLimits& limits = user == "*" ? allowed.others : allowed.limits[user];
    for (std::size_t i = 2; i < line.words.size(); ++i)
        if (auto taken = take_limit(limits, line.words[i], line.where); !taken) return taken;
    return {};
}

/// `KEY USER ROLE[,ROLE]…`
Result<void> take_key(KeysChanged& allowed, const Line& line) {
    if (!is_public_key(line.words[0])) return no_key(line, line.words[0]);
    if (line.words.size() != 3)
        return fail(line.where +
                    ": write it as KEY USER ROLE,ROLE; limits have a line of their own");
    wire::AllowedKey key{.public_key = std::string(line.words[0]),
                         .user = std::string(line.words[1])};
    if (!is_user_name(key.user))
        return fail(line.where + ": '" + key.user +
                    "' can't name a user: 1 to 100 letters, digits and ._-@ are wanted");
    auto roles = parse_roles(line.words[2]);
    if (!roles) return fail(line.where + ": " + roles.error().text);
    key.roles = roles->bits;
    auto same = [&](const wire::AllowedKey& other) { return other.public_key == key.public_key; };
    if (std::any_of(allowed.keys.begin(), allowed.keys.end(), same))
        return fail(line.where + ": the key " + key.public_key +
                    " is listed twice; give it all its roles in one line");
    allowed.keys.push_back(std::move(key));
    return {};
}
}  // namespace

KeyPair& KeyPair::operator=(const KeyPair& other) {
    if (this == &other) return *this;
    wipe(secret_key);
    public_key = other.public_key;
    secret_key = other.secret_key;
    return *this;
}

KeyPair::~KeyPair() { wipe(secret_key); }

void require_curve() {
    if (zmq_has("curve") == 0)
        throw StartupError(
            "this libzmq has no CURVE, so there can be no keys; install one built with libsodium "
            "(Debian's libzmq5 is)");
}

KeyPair make_key_pair() {
    require_curve();
    std::array<char, key_length + 1> public_key{};
    std::array<char, key_length + 1> secret_key{};
    KeyPair pair;
    do {
        if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0)
            throw StartupError(std::string("cannot make a key pair: ") + zmq_strerror(zmq_errno()));
    } while (public_key[0] == '#');
    pair.public_key = public_key.data();
    pair.secret_key = secret_key.data();
    explicit_bzero(secret_key.data(), secret_key.size());
    return pair;
}

bool is_public_key(std::string_view text) {
    std::array<std::uint8_t, 32> bytes{};
    return text.size() == key_length && text.find('\0') == std::string_view::npos &&
           zmq_z85_decode(bytes.data(), std::string(text).c_str()) != nullptr;
}

bool is_user_name(std::string_view text) {
    constexpr std::string_view accepted =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
    return !text.empty() && text.size() <= limits::user_bytes &&
           text.find_first_not_of(accepted) == std::string_view::npos;
}

Result<Roles> parse_roles(std::string_view text) {
    Roles roles;
    while (true) {
        auto comma = text.find(',');
        std::string_view name = text.substr(0, comma);
        auto known = std::find_if(role_names.begin(), role_names.end(),
                                  [&](const RoleName& role) { return role.name == name; });
        if (known == role_names.end())
            return fail("'" + std::string(name) +
                        "' is no role; there are submit, work, gather and admin");
        roles.bits |= static_cast<std::uint8_t>(known->access);
        if (comma == std::string_view::npos) return roles;
        text.remove_prefix(comma + 1);
    }
}

std::string to_string(Roles roles) {
    std::string text;
    for (const RoleName& role : role_names)
        if (roles.has(role.access)) text += (text.empty() ? "" : ",") + std::string(role.name);
    return text.empty() ? "no role" : text;
}

Result<KeysChanged> parse_allowed(std::string_view text, const std::string& file) {
    KeysChanged allowed;
    std::set<std::string> limited;
    for (const Line& line : lines_of(text, file)) {
        auto taken = line.words[0] == "limits" ? take_limits(allowed, limited, line)
                                               : take_key(allowed, line);
        if (!taken) return fail(taken.error().text);
    }
    if (allowed.keys.size() > limits::allowed_keys)
        return fail(file + ": there are " + std::to_string(allowed.keys.size()) + " keys, " +
                    std::to_string(limits::allowed_keys) + " is the most");
    for (const auto& [user, most] : allowed.limits) {
        auto has_key = [&name = user](const wire::AllowedKey& key) { return key.user == name; };
        if (std::none_of(allowed.keys.begin(), allowed.keys.end(), has_key))
            return fail(file + ": there are limits for " + user + ", who has no key");
    }
    return allowed;
}

Result<KeyPair> parse_identity(std::string_view text, const std::string& file) {
    KeyPair pair;
    for (const Line& line : lines_of(text, file)) {
        bool is_secret = line.words[0] == "secret";
        // The line may hold the secret, whatever is wrong with it: no error quotes it.
        if ((!is_secret && line.words[0] != "public") || line.words.size() != 2 ||
            !is_public_key(line.words[1]))
            return fail(
                line.where +
                ": neither 'public KEY' nor 'secret KEY'; make another with fanfold keygen");
        (is_secret ? pair.secret_key : pair.public_key) = line.words[1];
    }
    if (pair.public_key.empty() || pair.secret_key.empty())
        return fail(file +
                    ": the public or the secret key is missing; make another with fanfold keygen");
    std::array<char, key_length + 1> derived{};
    if (zmq_curve_public(derived.data(), pair.secret_key.c_str()) != 0 ||
        pair.public_key != derived.data())
        return fail(file + ": the two keys are no pair; make another with fanfold keygen");
    return pair;
}

Result<std::string> parse_public_key(std::string_view text, const std::string& file) {
    auto lines = lines_of(text, file);
    if (lines.size() != 1 || lines[0].words.size() != 1)
        return fail(file + ": one line with one public key is wanted");
    if (!is_public_key(lines[0].words[0])) return no_key(lines[0], lines[0].words[0]);
    return std::string(lines[0].words[0]);
}

}  // namespace fanfold
