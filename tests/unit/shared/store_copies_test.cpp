// Copies of a store that is written meanwhile.
#include <sys/stat.h>

#include "shared/store/copies.hpp"
#include "tests/support/store_harness.hpp"

using namespace fanfold;
using namespace fanfold::store_testing;

TEST_CASE("a copy holds what was committed before it, and is a store of its own") {
    const Folder folder, copies;
    Rows rows;
    {
        Opened opened(folder.path());
        opened.load();
        for (std::uint64_t number = 0; number < 100; ++number) {
            const Record record = put(1, 1, number, "row", std::string(1000, 'x'));
            change(rows, record);
            REQUIRE(opened.wait_for(opened.store.append({record})));
        }
        CHECK(copy_database(folder.file(".db"), copies.file(".db")) > 100'000);
        REQUIRE(opened.wait_for(opened.store.append({put(1, 1, 100, "later")})));
    }
    struct stat copy {};
    REQUIRE(stat(copies.file(".db").c_str(), &copy) == 0);
    CHECK((copy.st_mode & 077) == 0);
    {
        Opened put_back(copies.path());
        CHECK(put_back.load() == rows);
        REQUIRE(put_back.wait_for(put_back.store.append({put(2, 1, 0, "new")})));
    }
    Opened original(folder.path());  // whose log the copying left as it was
    CHECK(original.load().size() == 101);
}

TEST_CASE("what can't be copied is refused, and leaves nothing") {
    const Folder folder, copies;
    { Opened(folder.path()).load(); }
    SUBCASE("something is in the way") {
        std::ofstream(copies.file(".db")) << "precious";
        CHECK_THROWS_WITH_AS(copy_database(folder.file(".db"), copies.file(".db")),
                             doctest::Contains("File exists"), StartupError);
        CHECK(std::filesystem::file_size(copies.file(".db")) == 8);
    }
    SUBCASE("it is damaged") {
        std::ofstream(folder.file(".db")) << std::string(9000, '?');
        CHECK_THROWS_AS(copy_database(folder.file(".db"), copies.file(".db")), StartupError);
        CHECK_FALSE(std::filesystem::exists(copies.file(".db")));
    }
    SUBCASE("it is not there") {
        CHECK_THROWS_WITH_AS(copy_database(folder.file(".other"), copies.file(".db")),
                             doctest::Contains("cannot open"), StartupError);
    }
}
