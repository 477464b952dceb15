// The log is the process's, and may be set up while others write.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "shared/log/logging.hpp"

using namespace fanfold;

TEST_CASE("the log may be set up by several threads while others write") {
    set_up_logging({.level = "off", .file = ""});
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([&] {
            while (!done) {
                write_log("test", {.level = Level::debug, .what = "a line"});
                write_said("test", {.level = Level::debug, .what = "a line"});
            }
        });
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([] {
            for (int round = 0; round < 500; ++round)
                set_up_logging({.level = "off",
                                .file = round % 2 == 0 ? "" : "/dev/null",
                                .format = round % 3 == 0 ? "json" : "text",
                                .rotate = "0:0"});
        });
    threads[2].join();
    threads[3].join();
    done = true;
    threads[0].join();
    threads[1].join();
    CHECK_FALSE(logs(Level::error));
    set_up_logging({.level = "warn", .file = ""});
    CHECK(logs(Level::error));
    CHECK_FALSE(logs(Level::info));
}
