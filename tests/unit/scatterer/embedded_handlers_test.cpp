// What handlers of an embedded fleet may rely on: their log, and their thread.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fanfold/embedded.hpp"

using namespace fanfold;

namespace {

/// Standard error goes to a file while it lives.
class CapturedErrors {
public:
    CapturedErrors() : file_(std::tmpfile()), before_(dup(STDERR_FILENO)) {
        REQUIRE(file_ != nullptr);
        dup2(fileno(file_), STDERR_FILENO);
    }
    ~CapturedErrors() {
        dup2(before_, STDERR_FILENO);
        close(before_);
        std::fclose(file_);
    }
    CapturedErrors(const CapturedErrors&) = delete;
    CapturedErrors& operator=(const CapturedErrors&) = delete;
    std::string text() const {
        std::string text(4096, '\0');
        const ssize_t size = pread(fileno(file_), text.data(), text.size(), 0);
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        return text;
    }

private:
    std::FILE* file_;
    int before_;
};

}  // namespace

TEST_CASE("embedded: what a handler logs is written on standard error") {
    CapturedErrors errors;
    Embedded fleet({.slots = 1});
    fleet.function("say", [](Context& context, const std::string& text) { context.log(text); });
    Job job = fleet.scatterer().scatter("say", std::vector<std::string>{"what I saw"});
    CHECK(job.wait().values == 1);
    CHECK(errors.text().find("what I saw") != std::string::npos);
    CHECK(errors.text().find(job.id()) != std::string::npos);
}

TEST_CASE("embedded: what a handler logs goes where its program wants it") {
    CapturedErrors errors;
    std::mutex mutex;
    std::vector<std::string> lines;
    Embedded fleet({.slots = 2, .on_log = [&](const Context& context, std::string_view text) {
                        std::lock_guard lock(mutex);
                        lines.push_back(std::to_string(context.index()) + " " + std::string(text));
                    }});
    fleet.function("say", [](Context& context, const std::string& text) { context.log(text); });
    Job job = fleet.scatterer().scatter("say", std::vector<std::string>{"what I saw"});
    CHECK(job.wait().values == 1);
    std::lock_guard lock(mutex);
    CHECK(lines == std::vector<std::string>{"0 what I saw"});
    CHECK(errors.text().empty());
}

TEST_CASE("embedded: with one slot a handler runs on one thread") {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    Embedded fleet({.slots = 1});
    fleet.function("short", [&](int number) {
        std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
        return number;
    });
    for (int i = 0; i < 50; ++i) {
        Job job = fleet.scatterer().scatter("short", std::vector<int>{1, 2, 3});
        CHECK(job.wait().values == 3);
    }
    std::lock_guard lock(mutex);
    CHECK(threads.size() == 1);
}
