// A feeder on a thread of its own, which ends with this object. Made and ended by the thread that
// collects.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "scatterer/cli/verbs/feeder.hpp"

namespace fanfold::scatterer::cli {

class FeedingThread {
public:
    FeedingThread(Feeder& feeder, Job& job, InputBook* book)
        : feeder_(feeder), thread_([this, &job, book] { run(job, book); }) {}
    ~FeedingThread() { finish(); }
    FeedingThread(const FeedingThread&) = delete;
    FeedingThread& operator=(const FeedingThread&) = delete;

    /// Stops the feeder and waits for its thread.
    void finish();
    /// The input could not be read or understood, or is not that of the job with the key.
    bool input_failed() const { return input_failed_; }
    bool over() const { return over_; }
    /// After finish(): what went wrong with the input.
    const std::string& why() const { return why_; }

private:
    void run(Job& job, InputBook* book);
    void fail(const char* why);

    Feeder& feeder_;
    std::string why_;
    std::atomic<bool> input_failed_{false};
    std::atomic<bool> over_{false};
    std::thread thread_;
};

}  // namespace fanfold::scatterer::cli
