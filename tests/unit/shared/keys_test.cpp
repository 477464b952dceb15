#include "shared/security/keys.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace fanfold;

namespace {
namespace files = std::filesystem;

class KeysFolder {
public:
    KeysFolder() {
        std::string name = (files::temp_directory_path() / "fanfold-keys-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~KeysFolder() { files::remove_all(path_); }
    KeysFolder(const KeysFolder&) = delete;
    KeysFolder& operator=(const KeysFolder&) = delete;
    std::string path(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        std::ofstream(path(name)) << text;
        REQUIRE(chmod(path(name).c_str(), mode) == 0);
    }
    std::string read(const std::string& name) const {
        std::stringstream text;
        text << std::ifstream(path(name)).rdbuf();
        return text.str();
    }

private:
    std::string path_;
};

mode_t mode_of(const std::string& path) {
    struct stat found {};
    REQUIRE(stat(path.c_str(), &found) == 0);
    return found.st_mode & 07777;
}

const std::string ada_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const std::string bob_key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

std::string error_of(const std::string& text) {
    auto parsed = parse_allowed(text, "allowed");
    return parsed ? "" : parsed.error().text;
}
}  // namespace

TEST_CASE("a file of allowed keys names users, roles and limits") {
    auto allowed = parse_allowed("# people\n\n" + ada_key + " ada submit,admin\n  " + bob_key +
                                     "\tnode-7  work \r\nlimits ada jobs=10 bytes=4G payload=1M "
                                     "fragments=1000 submissions=60\nlimits * jobs=2",
                                 "allowed");
    REQUIRE(allowed);
    REQUIRE(allowed->keys.size() == 2);
    CHECK(allowed->keys[0] == wire::AllowedKey{ada_key, "ada", 1 + 8});
    CHECK(allowed->keys[1] == wire::AllowedKey{bob_key, "node-7", 2});
    CHECK(allowed->limits.at("ada") == UserLimits{10, std::uint64_t{4} << 30, 1 << 20, 1000, 60});
    CHECK(allowed->others == UserLimits{.open_jobs = 2});
    CHECK(parse_allowed("", "allowed")->keys.empty());
    CHECK(parse_allowed("limits * priority=-5", "allowed")->others.priority == -5);
    CHECK(parse_allowed("limits * priority=0", "allowed")->others.priority == 0);
    for (const char* wrong : {"", "high", "1.5", "3000000000"})
        CHECK(error_of("limits * jobs=1 priority=" + std::string(wrong) + "x")
                  .find("is no whole number of 32 bits") != std::string::npos);
}

TEST_CASE("what is wrong in a file of allowed keys is told with its line") {
    CHECK(error_of("# one\nrubbish ada submit\n")
              .starts_with("allowed:2: 'rubbish' is no public key"));
    CHECK(error_of(ada_key.substr(1) + " ada submit").starts_with("allowed:1: "));
    CHECK(error_of(ada_key.substr(1) + "~ ada submit").find("is no public key") !=
          std::string::npos);
    CHECK(error_of(ada_key + " ada").find("allowed:1: write it as KEY USER ROLE,ROLE") == 0);
    CHECK(error_of(ada_key + " ada submit jobs=1").find("limits have a line of their own") !=
          std::string::npos);
    CHECK(error_of(ada_key + " a/b submit").find("'a/b' can't name a user") != std::string::npos);
    CHECK(error_of(ada_key + " " + std::string(101, 'a') + " submit").find("can't name a user") !=
          std::string::npos);
    CHECK(error_of(ada_key + " ada root")
              .find("'root' is no role; there are submit, work, gather and admin") !=
          std::string::npos);
    CHECK(error_of(ada_key + " ada submit,").find("'' is no role") != std::string::npos);
    CHECK(error_of(ada_key + " ada submit\n" + ada_key + " bob work")
              .find("allowed:2: the key " + ada_key + " is listed twice") == 0);
    std::string ada = ada_key + " ada submit\n";
    CHECK(error_of(ada + "limits ada").find("allowed:2: limits of whom?") == 0);
    CHECK(error_of(ada + "limits ada cores=1").find("'cores=1' is no limit") != std::string::npos);
    CHECK(error_of(ada + "limits ada jobs=many").find("jobs='many' is no number") !=
          std::string::npos);
    CHECK(error_of(ada + "limits ada jobs=0").find("jobs='0' is no number above 0") !=
          std::string::npos);
    CHECK(error_of(ada + "limits ada jobs").find("jobs='' is no number") != std::string::npos);
    CHECK(error_of(ada + "limits ada jobs=1\nlimits ada jobs=2")
              .find("allowed:3: the limits of ada are given twice") == 0);
    CHECK(error_of(ada + "limits bob jobs=1") ==
          "allowed: there are limits for bob, who has no key");
}

TEST_CASE("keys that are made can be loaded, by their owner alone") {
    KeysFolder folder;
    std::string broker = folder.path("broker");
    std::string client = folder.path("client");
    KeyPair of_broker = make_key_pair();
    KeyPair of_client = make_key_pair();
    CHECK(of_broker.public_key != of_client.public_key);
    CHECK(is_public_key(of_client.public_key));
    REQUIRE(write_identity(broker, of_broker));
    REQUIRE(write_public_key(broker, of_broker.public_key));
    REQUIRE(write_empty_allowed(broker));
    REQUIRE(write_identity(client, of_client));
    CHECK(mode_of(client) == 0700);
    CHECK(mode_of(client + "/identity") == 0600);
    CHECK(load_allowed(broker)->keys.empty());
    CHECK(load_identity(broker)->secret_key == of_broker.secret_key);

    auto lacking = load_keys(client);
    REQUIRE_FALSE(lacking);
    CHECK(lacking.error().text.find("broker.pub is missing") != std::string::npos);
    REQUIRE(write_public_key(client, of_broker.public_key));
    auto keys = load_keys(client);
    REQUIRE(keys);
    CHECK(keys->own.public_key == of_client.public_key);
    CHECK(keys->broker == of_broker.public_key);

    auto again = write_identity(client, make_key_pair());
    REQUIRE_FALSE(again);
    CHECK(again.error().text.find("/identity: File exists") != std::string::npos);
    CHECK(load_identity(client)->public_key == of_client.public_key);
}

TEST_CASE(
    "an identity that others can read, and lists that others can change, are refused with the way "
    "out") {
    KeysFolder folder;
    REQUIRE(write_identity(folder.path("k"), make_key_pair()));
    std::string path = folder.path("k/identity");
    for (mode_t mode : {0640U, 0604U, 0644U, 0660U, 0610U}) {
        REQUIRE(chmod(path.c_str(), mode) == 0);
        auto loaded = load_identity(folder.path("k"));
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().text.find("can be read by others (mode 0") != std::string::npos);
        CHECK(loaded.error().text.ends_with("close it with: chmod 600 " + path));
    }
    REQUIRE(chmod(path.c_str(), 0400) == 0);
    CHECK(load_identity(folder.path("k")));

    folder.write("allowed", "", 0664);
    std::string parent = folder.path(".");
    CHECK(load_allowed(parent).error().text.ends_with("close it with: chmod go-w " + parent +
                                                      "/allowed"));
    folder.write("allowed", "", 0644);
    CHECK(load_allowed(parent));
    CHECK(load_allowed(folder.path("nowhere"))
              .error()
              .text.find("No such file or directory; make one with fanfold keygen") !=
          std::string::npos);
}

TEST_CASE("a folder of keys that others can read or change is refused with the way out") {
    KeysFolder folder;
    std::string path = folder.path("k");
    REQUIRE(write_identity(path, make_key_pair()));
    REQUIRE(write_empty_allowed(path));
    for (mode_t mode : {0750U, 0704U, 0755U, 0720U, 0702U, 01777U}) {
        REQUIRE(chmod(path.c_str(), mode) == 0);
        const char* what = (mode & 0022) != 0 ? " can be changed by others" : " can be read by";
        for (const std::string& error :
             {load_identity(path).error().text, load_allowed(path).error().text,
              write_public_key(path, ada_key).error().text}) {
            CHECK(error.find("the folder of keys " + path + what) == 0);
            CHECK(error.ends_with("close it with: chmod 700 " + path));
        }
    }
    REQUIRE(chmod(path.c_str(), 0711) == 0);
    CHECK(load_identity(path));
    REQUIRE(chmod(path.c_str(), 0500) == 0);
    CHECK(load_identity(path));
    REQUIRE(chmod(path.c_str(), 0700) == 0);
}

TEST_CASE("an identity that is none is refused, and its secret is in no error") {
    KeyPair pair = make_key_pair();
    KeyPair other = make_key_pair();
    std::string file = "identity";
    CHECK(parse_identity("public " + pair.public_key + "\nsecret " + pair.secret_key + "\n", file));
    for (const std::string& text :
         {std::string(), "public " + pair.public_key, "secret " + pair.secret_key,
          "public " + other.public_key + "\nsecret " + pair.secret_key, pair.secret_key,
          "secret " + pair.secret_key + "x\n", "secret " + pair.secret_key + " x\n",
          "public\nsecret " + pair.secret_key}) {
        auto parsed = parse_identity(text, file);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().text.starts_with("identity:"));
        CHECK(parsed.error().text.find(pair.secret_key.substr(0, 30)) == std::string::npos);
    }
    CHECK(parse_public_key("# of the broker\n" + ada_key + "\n", "broker.pub") == ada_key);
    CHECK_FALSE(parse_public_key("", "broker.pub"));
    CHECK_FALSE(parse_public_key(ada_key + "\n" + bob_key, "broker.pub"));
    CHECK_FALSE(parse_public_key("key", "broker.pub"));
}

TEST_CASE("roles read and written") {
    CHECK(parse_roles("submit")->bits == 1);
    CHECK(to_string(*parse_roles("admin,work,gather,submit")) == "submit,work,gather,admin");
    CHECK(to_string(Roles{}) == "no role");
    CHECK_FALSE(parse_roles(""));
    CHECK_FALSE(parse_roles("submit work"));
}
