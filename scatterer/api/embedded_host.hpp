// A component of an embedded fleet, on a thread of its own.
//
// Threads: everything is called by the owner's thread, but for `run` and `on_error`, which are
// called on the component's own.
#pragma once

#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace fanfold {

template <class Shell>
class EmbeddedHost {
public:
    struct Ways {
        std::function<std::unique_ptr<Shell>()> make;
        std::function<void(Shell&)> run;  // until the component ends
        /// Told why, when run() throws.
        std::function<void(const std::string& why)> on_error;
    };
    /// Throws what make() throws.
    explicit EmbeddedHost(Ways ways) : ways_(std::move(ways)) {
        std::promise<void> made;
        auto is_made = made.get_future();
        thread_ = std::thread([this, made = std::move(made)]() mutable {
            try {
                shell_ = ways_.make();
            } catch (...) {
                return made.set_exception(std::current_exception());
            }
            made.set_value();
            try {
                ways_.run(*shell_);
            } catch (const std::exception& error) {
                ways_.on_error(error.what());
            }
        });
        try {
            is_made.get();
        } catch (...) {
            thread_.join();
            throw;
        }
    }
    /// The component must have been joined.
    ~EmbeddedHost() = default;
    EmbeddedHost(const EmbeddedHost&) = delete;
    EmbeddedHost& operator=(const EmbeddedHost&) = delete;

    /// Waits until run() has returned; something must make it do so.
    void join() {
        if (thread_.joinable()) thread_.join();
    }
    /// Valid until the end of this object, whether it runs or not.
    Shell& operator*() { return *shell_; }

private:
    Ways ways_;
    std::unique_ptr<Shell> shell_;
    std::thread thread_;
};

}  // namespace fanfold
