// The store against what befalls it in everyday life: restarts, other processes, other schemas,
// lack of room.
#include <poll.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <random>

#include "shared/store/disk_words.hpp"
#include "shared/store/journal.hpp"
#include "tests/support/store_harness.hpp"

using namespace fanfold;
using namespace fanfold::store_testing;

TEST_CASE("store: tickets are told in order, and everything is there after a restart") {
    Folder folder;
    Rows rows;
    {
        Opened opened(folder.path());
        CHECK(opened.store.epoch() == 1);
        CHECK(opened.load().empty());
        rows = fill(opened, 200);
        CHECK(opened.in_order());
        CHECK(opened.committed() == 200);
    }
    Opened opened(folder.path());
    CHECK(opened.store.epoch() == 2);
    CHECK(opened.load() == rows);
}

TEST_CASE(
    "store: rows are replaced and erased, one by one and by job; the end of the store commits what "
    "waits") {
    Folder folder;
    std::mt19937_64 random(3);
    Rows model;
    for (int life = 1; life <= 5; ++life) {
        Opened opened(folder.path());
        CHECK(opened.store.epoch() == static_cast<std::uint64_t>(life));
        CHECK(opened.load() == model);
        for (int i = 0; i < 60; ++i) {
            std::vector<Record> records;
            for (std::uint64_t n = random() % 4; n < 4; ++n) {
                Record record = put(static_cast<std::uint8_t>(random() % 4),
                                    static_cast<std::uint8_t>(random() % 3), random() % 5,
                                    std::to_string(random()), std::string(random() % 300, 'x'));
                if (random() % 3 == 0) record.change = Record::Change::erase;
                if (random() % 20 == 0) record.change = Record::Change::erase_job;
                change(model, record);
                records.push_back(std::move(record));
            }
            opened.store.append(std::move(records));
        }
    }
    Opened opened(folder.path());
    CHECK(opened.load() == model);
}

TEST_CASE("store: numbers past the signed range come back as they were") {
    Folder folder;
    {
        Opened opened(folder.path());
        REQUIRE(opened.wait_for(opened.store.append({put(1, 255, ~std::uint64_t{0}, "last")})));
    }
    CHECK(Opened(folder.path()).load().contains({job_number(1), 255, ~std::uint64_t{0}}));
}

TEST_CASE("store: one process at a time holds the folder; a failed start lets go of it") {
    Folder folder;
    {
        Opened opened(folder.path());
        std::string why = refusal(folder.path());
        CHECK(contains(why, "another process holds " + folder.file(".db")));
        CHECK(contains(why, "another folder"));
    }
    write_file(folder.file(".db"), std::string(100'000, 'x'));
    CHECK(contains(refusal(folder.path()), "damaged"));
    std::filesystem::remove(folder.file(".db"));
    CHECK(contains(refusal(folder.path()), "it is empty"));
    for (const char* ending : {".db", ".db-mark"}) std::filesystem::remove(folder.file(ending));
    CHECK(refusal(folder.path()).empty());
}

TEST_CASE("store: rows of another format are refused by name, with the way out") {
    Folder folder;
    auto open = [&](int format) {
        try {
            Store store({.folder = folder.path(),
                         .name = "test",
                         .format = format,
                         .on_commit = [](Ticket, std::uint64_t) {},
                         .on_trouble = [](const std::string&) {}});
            return std::string();
        } catch (const StartupError& error) {
            return std::string(error.what());
        }
    };
    CHECK(open(2).empty());
    CHECK(open(2).empty());
    CHECK(contains(open(3), "written by an earlier release (row format 2, this one reads 3)"));
    CHECK(contains(open(3), "move the file away"));
    CHECK(contains(open(1), "written by a newer release (row format 2, this one reads 1)"));
}

TEST_CASE(
    "store: a newer schema, another program's database, no folder, and one that can't be written "
    "are refused by name") {
    Folder folder;
    refusal(folder.path());
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(folder.file(".db").c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, "PRAGMA user_version=99", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    CHECK(contains(refusal(folder.path()), "written by a newer release (schema 99"));

    std::string other = folder.path() + "/other";
    std::filesystem::create_directory(other);
    REQUIRE(sqlite3_open((other + "/test.db").c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, "CREATE TABLE theirs(a)", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    CHECK(contains(refusal(other), "no known schema"));

    write_file(folder.path() + "/file", "not a folder");
    CHECK(contains(refusal(folder.path() + "/file"), folder.path() + "/file"));
    CHECK(contains(refusal(folder.path() + "/file/below"), folder.path() + "/file/below"));

    if (geteuid() == 0) {
        MESSAGE("a folder that can't be written is not tried: root can write everywhere");
        return;
    }
    std::filesystem::permissions(
        other, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    CHECK(contains(refusal(other), "cannot write in " + other));
    std::filesystem::permissions(other, std::filesystem::perms::owner_all);
}

TEST_CASE("store: a folder that is gone is noticed, also while nothing is written, and put back") {
    Folder folder;
    const std::string away = folder.path() + ".away";
    {
        Opened opened(folder.path());
        REQUIRE(opened.wait_for(opened.store.append({put(1, 1, 1, "before")})));
        std::filesystem::rename(folder.path(), away);
        std::string trouble = opened.wait_for_trouble(1);
        CHECK(contains(trouble, folder.file(".db") + " was removed"));
        CHECK(contains(trouble, "put the folder back"));
        // What is said to be on disk would be gone with this process.
        Ticket ticket = opened.store.append({put(1, 1, 2, "meanwhile")});
        CHECK_FALSE(opened.wait_for(ticket, 0s));
        std::filesystem::rename(away, folder.path());
        CHECK(opened.wait_for(ticket));
        CHECK(opened.wait_for_trouble(2).empty());
        // Another one in its place is as bad.
        std::filesystem::copy_file(folder.file(".db"), folder.file(".copy"));
        std::filesystem::rename(folder.file(".db"), folder.file(".old"));
        std::filesystem::rename(folder.file(".copy"), folder.file(".db"));
        CHECK(contains(opened.wait_for_trouble(3), "is another file"));
        std::filesystem::rename(folder.file(".old"), folder.file(".db"));
        CHECK(opened.wait_for_trouble(4).empty());
    }
    CHECK(Opened(folder.path()).load().size() == 2);
}

TEST_CASE("store: a disk that fails and one that became read-only have words of their own") {
    auto words = [](int error) {
        return words_of({.result = SQLITE_IOERR_WRITE, .system_error = error});
    };
    CHECK(contains(words(EIO), "the disk fails (input/output error)"));
    CHECK(contains(words(EROFS), "read-only"));
    CHECK(contains(words(EROFS), "mount it writable again"));
    CHECK(contains(words(EDQUOT), "quota"));
    CHECK(contains(words(EFBIG), "ulimit -f"));
    CHECK(contains(words(0), "make room"));
    CHECK(contains(words_of({.result = SQLITE_FULL}), "disk is full; make room"));
}

// A limit on the size of files stands for a full disk: both end in a write that fails, and a limit
// needs no rights.
TEST_CASE("store: without room it says so, keeps what it told, and goes on when there is room") {
    Folder folder;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        int failed = 1;
        {
            Opened opened(folder.path());
            if (!opened.wait_for(opened.store.append({put(1, 1, 1, "before")}))) _exit(10);
            rlimit room{.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
            if (setrlimit(RLIMIT_FSIZE, &room) != 0) _exit(11);
            Ticket ticket = opened.store.append({put(1, 1, 2, "large", std::string(4 << 20, 'x'))});
            std::string trouble = opened.wait_for_trouble(1);
            if (!contains(trouble, folder.file(".db")) || !contains(trouble, "make room"))
                _exit(12);
            if (opened.committed() != 1) _exit(13);
            room.rlim_cur = RLIM_INFINITY;
            if (setrlimit(RLIMIT_FSIZE, &room) != 0) _exit(14);
            if (!opened.wait_for(ticket)) _exit(15);
            if (!opened.wait_for_trouble(2).empty()) _exit(16);
            failed = opened.in_order() ? 0 : 17;
        }
        _exit(failed);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(Opened(folder.path()).load().size() == 2);
}

TEST_CASE("store: a full disk is told, and room made on it is used") {
    Folder folder;
    if (mount("none", folder.path().c_str(), "tmpfs", 0, "size=8m") != 0) {
        MESSAGE("not tried: this user may not mount a small filesystem");
        return;
    }
    {
        std::string ballast = folder.path() + "/ballast";
        write_file(ballast, std::string(13 << 19, 'x'));
        Opened opened(folder.path());
        REQUIRE(opened.wait_for(opened.store.append({put(1, 1, 1, "before")})));
        Ticket ticket = opened.store.append({put(1, 1, 2, "large", std::string(2 << 20, 'x'))});
        std::string trouble = opened.wait_for_trouble(1);
        CHECK(contains(trouble, folder.file(".db")));
        CHECK(opened.committed() == 1);
        std::filesystem::remove(ballast);
        CHECK(opened.wait_for(ticket));
        CHECK(opened.wait_for_trouble(2).empty());
    }
    CHECK(Opened(folder.path()).load().size() == 2);
    CHECK(umount(folder.path().c_str()) == 0);
}

TEST_CASE("journal: without a folder everything is said at once") {
    Journal journal("", "test");
    int said = 0;
    journal.append(put(1, 1, 1, "row"));
    journal.when_safe(std::nullopt, [&] { ++said; });
    CHECK(said == 1);
    CHECK(journal.epoch() == 0);
    CHECK(journal.fd() == -1);
}

TEST_CASE(
    "store: a row comes back as it was appended last, before its commit and after, in this life "
    "and the next") {
    Folder folder;
    {
        Opened opened(folder.path());
        opened.load();
        for (int i = 0; i < 50; ++i) {
            std::string body(200'000, static_cast<char>(i));
            Ticket ticket = opened.store.append({put(1, 2, 3, "data " + std::to_string(i), body)});
            auto fetched = opened.fetch(1, 2, 3);
            CHECK(fetched.sound);
            CHECK(fetched.record.data == "data " + std::to_string(i));
            CHECK(fetched.record.body.view() == body);
            if (i % 5 == 0) REQUIRE(opened.wait_for(ticket));
        }
        CHECK_FALSE(opened.fetch(1, 2, 4).sound);
        CHECK_FALSE(opened.fetch(2, 2, 3).sound);
        opened.store.append(
            {{.change = Record::Change::erase_job, .job = job_number(1)}, put(1, 2, 5, "after")});
        CHECK_FALSE(opened.fetch(1, 2, 3).sound);
        CHECK(opened.fetch(1, 2, 5).record.data == "after");
        opened.store.append(
            {{.change = Record::Change::erase, .job = job_number(1), .kind = 2, .number = 5}});
        REQUIRE(opened.wait_for(opened.store.append({put(1, 2, 6, "last", "body")})));
        CHECK_FALSE(opened.fetch(1, 2, 5).sound);
    }
    Opened opened(folder.path());
    opened.load();
    CHECK(opened.fetch(1, 2, 6).record.body.view() == "body");
    CHECK_FALSE(opened.fetch(1, 2, 5).sound);
}

TEST_CASE("journal: what depends on a row is said after its commit, in order") {
    Folder folder;
    std::vector<int> said;
    {
        Journal journal(folder.path(), "test");
        journal.when_safe(std::nullopt, [&] { said.push_back(0); });
        CHECK(said == std::vector<int>{0});
        for (int i = 1; i <= 20; ++i) {
            journal.append(put(1, 1, static_cast<std::uint64_t>(i), "row"));
            journal.when_safe(std::nullopt, [&said, i] { said.push_back(i); });
            if (i % 3 == 0) journal.hand_over();
        }
        CHECK(said.size() == 1);
        journal.when_safe(job_number(2),
                          [&] { said[0] = -1; });  // of another job: it waits for nothing
        CHECK(said[0] == -1);
        journal.hand_over();
        auto until = std::chrono::steady_clock::now() + 30s;
        while (said.size() < 21 && std::chrono::steady_clock::now() < until) {
            pollfd ready{.fd = journal.fd(), .events = POLLIN, .revents = 0};
            poll(&ready, 1, 1000);
            CHECK_FALSE(journal.read().trouble.has_value());
        }
        REQUIRE(said.size() == 21);
        CHECK(std::is_sorted(said.begin(), said.end()));
    }
    CHECK(Opened(folder.path()).load().size() == 20);
}
