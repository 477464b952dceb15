#include "scatterer/cli/verbs/feeding_thread.hpp"

#include <exception>

namespace fanfold::scatterer::cli {

void FeedingThread::finish() {
    if (!thread_.joinable()) return;
    feeder_.stop();
    thread_.join();
}

void FeedingThread::run(Job& job, InputBook* book) {
    try {
        feeder_.run(job, book);
    } catch (const JobDiffers& error) {
        fail(error.what());
    } catch (const BadFragment& error) {
        fail(error.what());
    } catch (const FanfoldError&) {
        // The job takes no more: it has ended or was refused. The collecting thread is told how.
    } catch (const std::exception& error) {
        fail(error.what());
    }
    over_ = true;
}

void FeedingThread::fail(const char* why) {
    why_ = why;
    input_failed_ = true;
}

}  // namespace fanfold::scatterer::cli
