// CURVE keys and the files that hold them, in a folder of each program's own (--keys DIR):
//
//   identity     the program's own pair, closed to others:  `public KEY` and `secret KEY`
//   broker.pub   the public key of the broker that it trusts: `KEY`
//   allowed      a broker's: who is let in, as whom, to do what
//
// A line of `allowed` is `KEY USER ROLE[,ROLE]…` or `limits USER|* NAME=N…`; a user may have
// several keys. In each file, lines that begin with # are comments. Keys are written in Z85, 40
// characters. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.hpp"
#include "shared/events/events.hpp"

namespace fanfold {

/// A pair, in Z85. The secret is wiped from memory at its end.
struct KeyPair {
    std::string public_key{};
    std::string secret_key{};

    KeyPair() = default;
    KeyPair(const KeyPair&) = default;
    KeyPair& operator=(const KeyPair& other);
    ~KeyPair();
};

/// What a program that connects has.
struct Keys {
    KeyPair own{};
    std::string broker{};  // the broker's public key
};

/// Drawn anew. Its public key does not begin with #, so that it is no comment in a file. Throws
/// StartupError without_curve().
KeyPair make_key_pair();

/// Throws StartupError where libzmq was built without CURVE.
void require_curve();

/// As an option of the library's says: the folder, or if it says nothing, FANFOLD_KEYS. Empty: no
/// keys.
std::string keys_folder(const std::optional<std::string>& option);

bool is_public_key(std::string_view text);

/// The key of a program in `folder`. An Error if there is none, or others can read it or the
/// folder, or write there.
Result<KeyPair> load_identity(const std::string& folder);
/// The same, and the broker's public key.
Result<Keys> load_keys(const std::string& folder);
/// Of a file such as broker.pub. An Error if others could write there.
Result<std::string> load_public_key(const std::string& path);
/// Who is let in. An Error if others could write there or read the folder, or names the line that
/// is none.
Result<KeysChanged> load_allowed(const std::string& folder);

/// `file` names it in errors.
Result<KeysChanged> parse_allowed(std::string_view text, const std::string& file);
Result<KeyPair> parse_identity(std::string_view text, const std::string& file);
Result<std::string> parse_public_key(std::string_view text, const std::string& file);

/// `submit,work`: at least one of submit, work, gather, admin.
Result<Roles> parse_roles(std::string_view text);
std::string to_string(Roles roles);
/// 1 to 100 letters, digits and ._-@, which names a user in files and logs.
bool is_user_name(std::string_view text);

/// Makes the folder if it is not there, and files in it. An Error if there is such a file already,
/// or others can read the folder or write there.
Result<void> write_identity(const std::string& folder, const KeyPair& pair);
Result<void> write_public_key(const std::string& folder, const std::string& public_key);
Result<void> write_empty_allowed(const std::string& folder);

}  // namespace fanfold
