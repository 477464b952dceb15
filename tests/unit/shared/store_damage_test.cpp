// The store after kills at any moment, and with damaged files: it has everything, or refuses to
// start.
#include <sys/wait.h>

#include <csignal>
#include <random>

#include "tests/support/store_harness.hpp"

using namespace fanfold;
using namespace fanfold::store_testing;

namespace {

/// Leaves the folder as a kill at this moment would: no closing, no last checkpoint.
template <class Work>
inline void in_killed_child(Work work) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        work();
        raise(SIGKILL);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
}

/// The folder's files are damaged one byte at a time: it starts with all that was in it, or
/// refuses.
void check_damage(const std::string& folder, const std::string& file, const Rows& rows,
                  const std::map<std::string, std::string>& files) {
    std::mt19937_64 random(7);
    const std::string& whole = files.at(file);
    REQUIRE(!whole.empty());
    int refused = 0;
    for (int trial = 0; trial < 150; ++trial) {
        for (const auto& [path, bytes] : files) write_file(path, bytes);
        std::string damaged = whole;
        // Every second trial where there is something, the others where the headers are.
        std::size_t at = random() % (trial % 2 == 0 ? damaged.size()
                                                    : std::min<std::size_t>(damaged.size(), 128));
        for (int tries = 0; tries < 2000 && trial % 2 == 0 && damaged[at] == 0; ++tries)
            at = random() % damaged.size();
        if (trial % 10 == 9) damaged.resize(at);
        else damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(1 << random() % 8));
        write_file(file, damaged);
        CAPTURE(trial);
        CAPTURE(at);
        try {
            Opened opened(folder);
            Rows found = opened.load();
            CHECK((found == rows));
        } catch (const StartupError& error) {
            ++refused;
            std::string why = error.what();
            CAPTURE(why);
            CHECK(contains(why, folder));
            CHECK((contains(why, "damaged") || contains(why, "newer release")));
        }
    }
    CHECK(refused > 10);
}

}  // namespace

TEST_CASE("store: a damaged database is refused, or has everything") {
    Folder folder;
    Rows rows;
    {
        Opened opened(folder.path());
        rows = fill(opened, 60);
    }
    REQUIRE(!std::filesystem::exists(folder.file(".db-wal")));
    check_damage(
        folder.path(), folder.file(".db"), rows,
        {{folder.file(".db"), read_file(folder.file(".db"))}, {folder.file(".db-mark"), ""}});
}

TEST_CASE("store: damage that shows while it is written is told as that, and ends it") {
    Folder folder;
    Opened opened(folder.path());
    std::vector<Record> rows;
    for (std::uint64_t i = 0; i < 1000; ++i)
        rows.push_back(put(1, 1, i, "data", std::string(40'000, 'x')));
    REQUIRE(opened.wait_for(opened.store.append(rows)));
    const auto size = std::filesystem::file_size(folder.file(".db"));
    std::fstream file(folder.file(".db"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(limits::store_page_bytes);
    for (auto at = std::size_t{limits::store_page_bytes}; at < size; ++at) file.put('\xff');
    file.close();
    opened.store.append({{.change = Record::Change::erase_job, .job = job_number(1)}});
    CHECK(opened.wait_for_damage().find("is damaged") != std::string::npos);
}

TEST_CASE("store: a damaged or shortened log of a killed process is refused, or has everything") {
    Folder folder;
    in_killed_child([&] {
        auto* opened = new Opened(folder.path());  // never closed
        fill(*opened, 40);
    });
    std::map<std::string, std::string> files;
    for (const char* ending : {".db", ".db-wal", ".db-mark"})
        files[folder.file(ending)] = read_file(folder.file(ending));
    Rows rows;
    {
        Opened opened(folder.path());
        rows = opened.load();
        CHECK(rows.size() == 40);
    }
    check_damage(folder.path(), folder.file(".db-wal"), rows, files);

    for (const auto& [path, bytes] : files) write_file(path, bytes);
    std::filesystem::remove(folder.file(".db-wal"));
    CHECK(contains(refusal(folder.path()), "damaged"));
}

TEST_CASE("store: killed at random moments, all that it told is there, and nothing out of order") {
    Folder folder;
    std::mt19937_64 random(11);
    std::uint64_t next = 0;
    for (int life = 0; life < 25; ++life) {
        CAPTURE(life);
        int told[2];
        REQUIRE(pipe(told) == 0);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            // Row n holds n. What is told is the number of rows that are safe.
            alarm(60);  // whatever becomes of the test
            std::uint64_t base = next;
            Opened opened(folder.path());
            for (std::uint64_t n = base;; ++n) {
                Ticket ticket = opened.store.append(
                    {put(1, 1, n, std::to_string(n), std::string(n * 7919 % 40'000, 'b'))});
                if (n % 8 != 7 || ticket < 20) continue;
                if (!opened.wait_for(ticket - 16)) _exit(1);
                std::uint64_t safe = base + opened.committed();
                if (write(told[1], &safe, sizeof safe) != sizeof safe) _exit(1);
            }
        }
        close(told[1]);
        std::uint64_t safe = next;
        std::uint64_t wanted = random() % 20;
        while (wanted-- > 0 && read(told[0], &safe, sizeof safe) == sizeof safe) {
        }
        REQUIRE(kill(child, SIGKILL) == 0);
        REQUIRE(waitpid(child, nullptr, 0) == child);
        while (read(told[0], &safe, sizeof safe) == sizeof safe) {
        }
        close(told[0]);

        std::uint64_t count = 0;
        Opened opened(folder.path());
        opened.store.load([&](Record record) {
            CHECK(record.number == count);
            CHECK(record.data == std::to_string(count));
            CHECK(record.body.size() == count * 7919 % 40'000);
            ++count;
        });
        CHECK(count >= safe);
        next = count;
    }
    CHECK(next > 0);
}
