// The scatterer: connect to a broker (or embed a fleet, see fanfold/embedded.hpp), scatter a job,
// gather its results.
//
//     fanfold::Scatterer scatterer({.broker = "tcp://127.0.0.1:7411"});
//     auto job = scatterer.scatter("count", texts, {.deadline = 1min});
//     while (auto result = job.next())
//         std::cout << result->index << ' ' << result->as<Counts>().size() << '\n';
//     auto end = job.wait();  // end.outcome, end.missing
//
// A Scatterer may be used from any thread; one Job from one thread at a time, except that one
// thread may add while another collects. A thread of the library's own talks to the fleet. A child
// of fork() has no such thread: there every call of what was made before is a FanfoldError.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "fanfold/parent.hpp"
#include "fanfold/status.hpp"
#include "fanfold/value.hpp"

namespace fanfold {

/// What went wrong with the call or the system: no broker there, a refused job, a bad option. The
/// text names the thing, the value and the way out.
struct FanfoldError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Fragments are added to a job that has ended already, by its gather policy for one. Its results
/// and its end can still be read.
struct JobOver : FanfoldError {
    using FanfoldError::FanfoldError;
};

/// A fragment that can't be taken: it is too large, or not one MessagePack object. It is not added,
/// the job stays as it was.
struct BadFragment : FanfoldError {
    using FanfoldError::FanfoldError;
};

/// A job with this key is there already, and it is another one: of another function or title, or of
/// other inputs.
struct JobDiffers : FanfoldError {
    using FanfoldError::FanfoldError;
};

enum class FragmentOutcome : std::uint8_t { value, failed, timeout, crashed, cancelled };
enum class JobOutcome : std::uint8_t { running, complete, partial, expired, failed, cancelled };
enum class Gather : std::uint8_t { all, quorum, first, available };

/// Whether a fragment that runs far longer than others is started a second time, elsewhere. The
/// first result counts.
enum class Hedge : std::uint8_t {
    by_function,  // if the workers that offer the function say that it is idempotent
    never,
    automatic,  // past a time that the broker takes from the function's other fragments
    after,      // past JobOptions::hedge_after
};

/// When a fragment is given to another worker, while its own is gone and nobody knows whether it
/// lives.
enum class Rerun : std::uint8_t {
    automatic,  // what takes long: once the worker was silent for the broker's --worker-timeout
    after,      // once it was silent for JobOptions::rerun_after
    never,      // once it is known to have ended
};

const char* to_string(FragmentOutcome outcome);
const char* to_string(JobOutcome outcome);

struct JobOptions {
    std::string title = {};  // for people; empty: the function's name
    Gather gather = Gather::all;
    std::uint64_t quorum = 0;                         // with Gather::quorum: values wanted
    std::optional<std::uint64_t> max_failures = {};   // more of them end the job as failed
    std::optional<double> max_failures_percent = {};  // the same as a share of the total, 0 to 100
    std::chrono::milliseconds deadline{0};            // of the job, from acceptance; 0: none
    std::chrono::milliseconds timeout{0};             // of each attempt; 0: none
    std::uint32_t retries = 0;                        // further attempts of a fragment that failed
    bool ordered = false;  // next() gives results in order of the index; else as completed
    bool attached = true;  // the job ends with this Job object (or its process, past a lease);
                           // false: it goes on, and results() collects it later
    std::string key = {};  // of your choice: the same key finds the same job, see
                           // Scatterer::open(); a job with a key is never attached
    int priority = 0;      // jobs of a higher one are served first
    double weight = 1;     // among jobs of one priority, slots' time is given in proportion to it
    std::uint32_t max_running = 0;  // fragments at workers at one time; 0: no limit
    /// Second attempts of stragglers, for functions that may run twice.
    Hedge hedge = Hedge::by_function;
    std::chrono::milliseconds hedge_after{0};  // with Hedge::after: past this a second one starts
    Rerun rerun = Rerun::automatic;
    std::chrono::milliseconds rerun_after{0};    // with Rerun::after
    std::vector<std::string> require = {};       // labels that a worker must have
    std::vector<ResourceAmount> resources = {};  // what each running fragment takes of its worker's
    bool compress = false;                       // what goes over TCP, where that makes it smaller
    std::string cwd = {};                        // for commands: working folder
    bool cwd_else_fresh = false;  // a fresh folder where a worker has not `cwd`, that very folder
    std::vector<std::string> environment = {};  // for commands: NAME=VALUE
    std::uint64_t max_output = 0;  // of commands: bytes of each stream; 0: the worker's limit
    /// Of a job that a handler opens: the handler's Context. An attached job is cancelled when that
    /// attempt of the handler's fragment ends, times out or is cancelled, or its worker dies. On
    /// the handler's own thread it need not be said.
    Parent parent = {};
    /// Told what a person should know, such as that no worker offers the function yet. It is called
    /// on a thread of the library, and may take its time. It may also call or destroy the Job and
    /// the Scatterer. Destroying these elsewhere waits for a call that runs; after that it is
    /// called no more, and what it has captured is let go of.
    std::function<void(const std::string&)> on_notice = {};
};

/// One fragment's result.
struct FragmentResult {
    std::uint64_t index = 0;
    FragmentOutcome outcome = FragmentOutcome::value;
    std::string packed = {};   // the value, one MessagePack object; empty without a value
    std::string message = {};  // why there is no value
    int exit_code = -1;        // of a failed command that exited; else -1
    int signal = 0;            // that ended a command; else 0
    std::string output =
        {};  // of a failed command: the MessagePack array [stdout, stderr]; else empty
    std::uint32_t attempt = 1;
    std::string worker = {};
    std::chrono::microseconds started{0};  // since 1970 by the worker's clock
    std::chrono::microseconds elapsed{0};  // of the run that it was part of, for a value

    bool ok() const { return outcome == FragmentOutcome::value; }
    /// The value as a T; throws ConversionError when it is another type, FanfoldError when there is
    /// none.
    template <class T>
    T as() const {
        if (!ok())
            throw FanfoldError("fragment " + std::to_string(index) + " has no value: " + message);
        return unpack_as<T>(packed);
    }
};

/// Results as they travel: `count` values of consecutive fragments from `first` on, back to back in
/// `values`; or one failure.
struct ResultRun {
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    std::string_view values = {};  // valid until the next call on the Job,
    std::shared_ptr<const void> owner =
        {};  // and for as long as somebody holds this: large values need not be copied
    std::optional<FragmentResult> failure = {};  // then count is 1 and values is empty
    std::string_view worker = {};
    std::uint32_t attempt = 1;
    std::chrono::microseconds started{0};
    std::chrono::microseconds elapsed{0};  // of the whole run
};

struct MissingFragments {
    std::string reason = {};  // failed, timeout, crashed, cancelled, "never started"
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges = {};  // [begin, end)
};

/// How a job ended.
struct JobEnd {
    JobOutcome outcome = JobOutcome::running;
    std::string reason = {};
    std::uint64_t total = 0;     // fragments, 0 when never sealed
    std::uint64_t values = 0;    // good results
    std::uint64_t failures = 0;  // fragments that ended without a value
    std::uint64_t late = 0;      // results that came after the end, dropped
    std::vector<MissingFragments> missing = {};
};

/// A job being scattered, gathered, or both. Movable. Destroying an attached one before its end
/// cancels it.
class Job {
public:
    Job(Job&&) noexcept;
    Job& operator=(Job&&) noexcept;
    ~Job();

    /// The correlation ID, a UUID.
    const std::string& id() const;

    // --- scattering
    /// Adds a fragment; its index is the number of those before. Blocks while the broker has no
    /// credit for more; results that come meanwhile are kept in memory unless another thread
    /// collects them. Throws JobOver when the job has ended, FanfoldError when it was refused,
    /// BadFragment when this payload can't be taken, JobDiffers when the job was found by its key
    /// and had other fragments.
    template <class T>
    void add(const T& payload) {
        std::string& buffer = scratch();
        buffer.clear();
        append_packed(buffer, payload);
        add_packed(buffer);
    }
    /// The same with a payload that is one MessagePack object already.
    void add_packed(std::string_view object);
    /// The same for text: packed as a MessagePack str without a detour.
    void add_text(std::string_view text);
    /// Sends what is added and not yet sent; otherwise that happens when a block is full, and after
    /// a few milliseconds.
    void flush();
    /// No more fragments follow. Idempotent, and nothing to do when the job has ended. Throws
    /// JobDiffers when the job was found by its key and had more.
    void seal();
    /// Waits until the seal is accepted: from then on the job needs this process no more. Throws
    /// FanfoldError if it never will be.
    void wait_accepted();
    /// The job was there when it was opened: found by its key.
    bool existed() const;
    /// Fragments that it had by then. The same ones are to be added again: they are compared, and
    /// not run again.
    std::uint64_t accepted_before() const;
    /// How it had ended by then.
    JobOutcome outcome_before() const;
    /// What was added so far is known to be what the job had; of a job that was sealed when it was
    /// found, after seal(). From any thread.
    bool inputs_agree() const;

    // --- gathering
    /// The next result, in order or as completed; nothing at the job's end.
    std::optional<FragmentResult> next();
    /// The same, whole runs at a time: the quick way. The run before is acknowledged by the call:
    /// the fleet may forget it.
    std::optional<ResultRun> next_run();
    /// The same with a bound: nothing also when the time is over; ended() tells which.
    std::optional<ResultRun> next_run(std::chrono::milliseconds at_most);
    /// Whether everything was collected and the outcome is known.
    bool ended() const;
    /// Waits for the end, reading and dropping results that are not collected yet.
    JobEnd wait();
    /// The same with a bound; nothing when the job still runs then.
    std::optional<JobEnd> wait_for(std::chrono::milliseconds at_most);

    /// Ends the job as cancelled; what runs is stopped. wait() tells when that is done.
    void cancel(const std::string& reason = "cancelled by its client");
    /// No more is added, and a thread that waits for that gets a FanfoldError. The job itself goes
    /// on as it is. From any thread.
    void leave();

private:
    friend class Scatterer;
    struct State;
    explicit Job(std::unique_ptr<State> state);
    std::string& scratch();
    std::unique_ptr<State> state_;
};

struct JobStatus {
    std::string id = {};
    std::string title = {};
    std::string function = {};
    JobOutcome outcome = JobOutcome::running;
    std::string reason = {};
    std::optional<std::uint64_t> total = {};  // once sealed
    std::uint64_t accepted = 0, queued = 0, running = 0, values = 0, failed = 0;
    std::chrono::milliseconds age{0};   // since it was opened
    std::chrono::milliseconds took{0};  // once it has ended
    std::string gatherer = {};
    std::string notice = {};  // what it waits for, if it waits
    std::string key = {};
    std::uint32_t round = 0;  // how often it was retried
    int priority = 0;
    double weight = 1;
    std::uint32_t max_running = 0;
    std::uint64_t hedged = 0;  // second attempts that were started beside a first
    std::string user = {};     // whose it is; empty where there are no keys
};

/// What changes in a job that runs; the rest stays.
struct JobChange {
    std::optional<int> priority = {};
    std::optional<double> weight = {};
    std::optional<std::uint32_t> max_running = {};
};

/// A job that runs again.
struct JobRetry {
    std::uint32_t round = 0;      // how often it was retried
    std::uint64_t fragments = 0;  // that run again
};

struct ConnectOptions {
    std::string broker = {};                          // empty: $FANFOLD_BROKER
    std::chrono::milliseconds connect_timeout{5000};  // of the first contact
    std::chrono::milliseconds give_up{600000};  // of a broker or gatherer that is out of reach
    std::string name = {};                      // for logs; empty: host-pid-suffix
    // The folder with its keys, made by `fanfold keygen`: then all traffic is encrypted, and the
    // broker is the one whose key lies there. Nothing: $FANFOLD_KEYS; empty: none.
    std::optional<std::string> keys = {};
    /// Told what is waited for where no job is there to be told, and what jobs without an
    /// `on_notice` of their own would be told. As that of JobOptions otherwise.
    std::function<void(const std::string&)> on_notice = {};
};

class Scatterer {
public:
    /// Connects; throws FanfoldError when no broker answers in time or it speaks another protocol
    /// version.
    explicit Scatterer(ConnectOptions options = {});
    Scatterer(Scatterer&&) noexcept;
    Scatterer& operator=(Scatterer&&) noexcept;
    ~Scatterer();

    /// Scatters one fragment for each input and seals the job; stops early when the job ends early.
    template <std::ranges::input_range Inputs>
    Job scatter(const std::string& function, Inputs&& inputs, JobOptions options = {}) {
        Job job = open(function, std::move(options));
        using Value = std::ranges::range_value_t<Inputs>;
        using Reference = std::ranges::range_reference_t<Inputs>;
        try {
            for (auto&& input : inputs) {
                // A range may stand for its values, as std::vector<bool> does.
                if constexpr (std::is_same_v<std::remove_cvref_t<Reference>, Value>) job.add(input);
                else job.add(static_cast<Value>(input));
            }
            job.seal();
        } catch (const JobOver&) {  // its end tells the rest
        }
        return job;
    }
    /// A job to which fragments are added one by one.
    ///
    /// With a key, the job outlives its client, and its results stay until it is forgotten. If
    /// there is a job with this key, that one is returned: add all its fragments again, from the
    /// first on; those that it has are compared and dropped, and what is missing is submitted.
    /// Throws JobDiffers when it has another function or title, FanfoldError when another client is
    /// submitting it.
    Job open(const std::string& function, JobOptions options = {});
    /// The results of a job that was submitted before (by anyone): in order or as completed; `now`:
    /// only those that are there.
    Job results(const std::string& job_id, bool ordered = false, bool now = false);

    /// The jobs that the broker knows: all, or those that the selector names (`last`, a beginning
    /// or an end of an id).
    std::vector<JobStatus> jobs(const std::string& selector = "");
    std::vector<WorkerStatus> workers();
    std::vector<GathererStatus> gatherers();
    /// The gatherer gets no new jobs, and those that it has go to others, one after the other; or,
    /// `off`, no longer. It lasts until the gatherer ends. Throws FanfoldError for one that is not
    /// there, for a caller who is no administrator, or a broker before protocol version 1.10.
    void drain(const std::string& gatherer, bool off = false);
    /// Waits until a job has ended. (Its results stay where they are.) Throws FanfoldError for an
    /// unknown job.
    JobStatus wait(const std::string& job_id);
    /// Ends a job as cancelled; throws FanfoldError for an unknown job, returns the state it was
    /// in.
    JobStatus cancel(const std::string& job_id);
    /// Ends fragments of a running job as cancelled, those that the broker has accepted and that
    /// have no result yet; what runs of them is stopped. Ranges are [begin, end). Returns how many
    /// of them have ended without a value. Throws FanfoldError for an unknown or ended job, more
    /// than 65,536 fragments, or a broker before protocol version 1.6.
    std::uint64_t cancel_fragments(
        const std::string& job_id,
        const std::vector<std::pair<std::uint64_t, std::uint64_t>>& ranges);
    /// Changes how a running job is served. Throws FanfoldError for an unknown or ended job, or a
    /// weight that is none.
    JobStatus change(const std::string& job_id, const JobChange& change);
    /// Runs again the fragments without a value of a job that has ended, and was not attached.
    /// Throws FanfoldError for any other.
    JobRetry retry(const std::string& job_id);
    /// Forgets a job that has ended: its results are gone, its key is free. Throws FanfoldError for
    /// one that runs or is not known.
    void forget(const std::string& job_id);

private:
    friend class Embedded;
    struct State;
    explicit Scatterer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace fanfold
