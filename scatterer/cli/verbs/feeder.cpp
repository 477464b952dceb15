#include "scatterer/cli/verbs/feeder.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/base/words.hpp"
#include "scatterer/cli/command/shell_quoting.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::scatterer::cli {

namespace {
/// Without the library's own number before it: "[json.exception.parse_error.101] ".
std::string reason_of(const std::exception& error) {
    const std::string text = error.what();
    return text.starts_with('[') ? text.substr(std::min(text.find("] "), text.size() - 2) + 2)
                                 : text;
}

/// Whether the descriptor is a file, a pipe or a socket: no terminal, and not /dev/null.
bool has_data(int descriptor) {
    struct stat about {};
    return ::fstat(descriptor, &about) == 0 &&
           (S_ISREG(about.st_mode) || S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode));
}

/// What is left of a command line beside the command itself.
Packing packing(const MapOptions& options, std::size_t command_bytes) {
    const std::size_t used = command_bytes + 1;
    Packing packing{.most = options.line_bytes > used ? options.line_bytes - used : 1};
    const std::size_t processors = std::max(1u, std::thread::hardware_concurrency());
    if (options.pack == Pack::shared_out)
        packing.slots = options.slots ? std::max(1u, options.slots->number) : processors;
    return packing;
}
}  // namespace

void append_exec_payload(std::string& payload, const std::vector<std::string>& argv,
                         const std::string* input) {
    wire::append_array(payload, 2);
    wire::append_array(payload, static_cast<std::uint32_t>(argv.size()));
    for (const std::string& word : argv) wire::append_text(payload, word);
    if (input) wire::append_bytes(payload, *input);
    else wire::append_nil(payload);
}

Feeder::Feeder(const MapOptions& options) : options_(options), title_(options.function) {
    const CommandWords parted = part_command(options.words, options.separators);
    const bool has_sources =
        !parted.sources.empty() || !options.sources.files.empty() || !options.sources.array.empty();
    if (options.function.empty() && parted.command.empty() && !has_sources && !has_data(0))
        throw UsageError(
            "a COMMAND, or --function NAME, is missing; without one the inputs are the commands, "
            "and nothing gives any; see fanfold map --help");
    // A command that is wrong is told before any input is read.
    if (!options.sources.header) make_templates(parted, {});
    if (options.command.pipe) {
        open_pipe();
        return;
    }
    SourceOptions sources = options.sources;
    if (options.pack != Pack::no) sources.pack = packing(options, joined(parted.command).size());
    inputs_.emplace(must(Inputs::open(parted.sources, sources)));
    known_total_ = inputs_->count();
    if (options.sources.header) make_templates(parted, inputs_->names());
}

void Feeder::make_templates(const CommandWords& words, const Columns& names) {
    TemplateOptions use = options_.command;
    use.names = names;
    auto made = [](Result<Template> result) {
        if (!result) throw UsageError(result.error().text);
        return *std::move(result);
    };
    if (options_.function.empty()) {
        template_ = made(Template::make(words.command, use));
        title_ = template_->title();
    }
    if (!Template::replaces(options_.tag_text, use)) return;
    use.no_shell = true;
    tag_ = made(Template::make({options_.tag_text}, use));
}

void Feeder::open_pipe() {
    std::string name = "standard input";
    const auto& files = options_.sources.files;
    if (!files.empty() && files[0] != "-") {
        name = files[0];
        pipe_descriptor_ = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
        if (pipe_descriptor_ < 0) throw system_error("open " + name);
    }
    blocks_.emplace(PipeBlocks::Options{.descriptor = pipe_descriptor_,
                                        .name = name,
                                        .block_bytes = options_.block_bytes,
                                        .separator = options_.sources.separator});
}

Feeder::~Feeder() {
    if (pipe_descriptor_ > 0) ::close(pipe_descriptor_);
}

std::optional<std::uint64_t> Feeder::total() const {
    if (sealed_) return added_;
    if (!known_total_) return std::nullopt;
    return *known_total_ - left_out_;
}

void Feeder::stop() {
    stopped_ = true;
    wakeup_.wake();
}

void Feeder::run(Job& job, InputBook* book) {
    if (blocks_) feed_blocks(job, book);
    else if (!template_ && !book && !past_ && inputs_->plain() && options_.delay.count() == 0)
        feed_plain(job);
    else feed_records(job, book);
    if (stopped_) return;
    job.seal();
    sealed_ = true;
}

/// False once stopped. The wait for input is the moment to send what was gathered: results come
/// while input still does.
template <class Source>
bool Feeder::wait_for(Source& source, int descriptor, Job* job) {
    if (stopped_.load(std::memory_order_relaxed)) return false;
    if (!source.would_block()) return true;
    if (job) job->flush();
    do {
        int waiting_for = descriptor;
        if constexpr (requires { source.waits_for(); }) waiting_for = source.waits_for();
        pollfd items[2] = {{waiting_for, POLLIN, 0}, {wakeup_.fd(), POLLIN, 0}};
        (void)::poll(items, 2,
                     waiting_for < 0 ? static_cast<int>(limits::input_recheck.count()) : -1);
        if (stopped_) return false;
    } while (source.would_block());
    return true;
}

void Feeder::feed_blocks(Job& job, InputBook* book) {
    std::string block;
    std::uint64_t number = 0;
    for (; wait_for(*blocks_, pipe_descriptor_, &job) && must(blocks_->next(block)); ++number) {
        const std::vector<std::string> none;
        std::string command = template_->display(none, number + 1);
        if (is_done(number, command)) continue;
        if (book)
            book->remember(
                added_, {.values = {}, .tag = tag_of(none, number), .command = std::move(command)});
        payload_.clear();
        append_exec_payload(payload_, argv_of(none, number), &block);
        add_payload(job, number);
    }
    if (past_ && !stopped_) past_->check_total(number);
}

void Feeder::feed_plain(Job& job) {
    std::string_view input;
    std::uint64_t count = 0;
    while (wait_for(*inputs_, -1, &job) && must(inputs_->next_plain(input))) {
        if (options_.json_lines) {
            payload_.clear();
            append_payload(input, count);
            job.add_packed(payload_);
        } else {
            job.add_text(input);
        }
        added_.store(++count, std::memory_order_relaxed);
    }
}

void Feeder::feed_records(Job& job, InputBook* book) {
    std::vector<Numbered> held;  // until the last input that the job log lists has been compared
    auto release = [&] {
        for (const Numbered& input : held) add_record(job, book, input);
        held.clear();
    };
    Numbered input;
    for (; wait_for(*inputs_, -1, &job) && must(inputs_->next(input.record)); ++input.number) {
        if (!past_) {
            add_record(job, book, input);
            continue;
        }
        if (!is_done(input.number, command_of(input))) held.push_back(input);
        if (input.number + 1 >= past_->last()) release();
    }
    if (past_ && !stopped_) past_->check_total(input.number);
}

bool Feeder::is_done(std::uint64_t number, std::string_view command) {
    if (!past_ || !past_->done(number + 1, command)) return false;
    ++left_out_;
    return true;
}

std::vector<std::string> Feeder::argv_of(const Columns& values, std::uint64_t number) const {
    std::vector<std::string> argv = must(template_->argv(values, number + 1));
    if (options_.nice > 0)
        argv.insert(argv.begin(), {"nice", "-n", std::to_string(options_.nice), "--"});
    return argv;
}

std::string Feeder::tag_of(const Columns& values, std::uint64_t number) const {
    if (!options_.tag) return {};
    if (tag_) return joined(must(tag_->argv(values, number + 1)));
    if (!options_.tag_text.empty()) return options_.tag_text;
    return values.empty() ? std::to_string(number + 1) : joined(values);
}

/// Waits until the next fragment may be submitted, as --delay wants; not once stopped.
void Feeder::pace(Job& job) {
    using Clock = std::chrono::steady_clock;
    if (Clock::now() < next_at_) job.flush();
    while (!stopped_ && Clock::now() < next_at_) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_at_ - Clock::now());
        pollfd item{wakeup_.fd(), POLLIN, 0};
        (void)::poll(&item, 1, static_cast<int>(std::min<long>(left.count(), 60'000)));
    }
    next_at_ = Clock::now() + options_.delay;
}

void Feeder::add_record(Job& job, InputBook* book, const Numbered& input) {
    const auto& columns = input.record.columns;
    if (book)
        book->remember(added_, {.values = columns,
                                .tag = tag_of(columns, input.number),
                                .command = command_of(input)});
    payload_.clear();
    if (template_) {
        append_exec_payload(payload_, argv_of(columns, input.number), nullptr);
    } else {
        if (columns.size() != 1)
            wire::append_array(payload_, static_cast<std::uint32_t>(columns.size()));
        for (const std::string& column : columns) append_payload(column, input.number);
    }
    add_payload(job, input.number);
}

void Feeder::add_payload(Job& job, std::uint64_t number) {
    if (options_.delay.count() > 0) pace(job);
    if (stopped_) return;
    if (numbers_) numbers_->add(added_, number);
    job.add_packed(payload_);
    ++added_;
}

void Feeder::append_payload(std::string_view input, std::uint64_t number) {
    if (!options_.json_lines) return wire::append_text(payload_, input);
    try {
        auto packed = nlohmann::json::to_msgpack(nlohmann::json::parse(input));
        payload_.append(reinterpret_cast<const char*>(packed.data()), packed.size());
    } catch (const nlohmann::json::exception& error) {
        throw SystemError("input line " + std::to_string(number + 1) +
                          " is not JSON: " + reason_of(error));
    }
}

std::string Feeder::command_of(const Numbered& input) const {
    const auto& columns = input.record.columns;
    return template_ ? template_->display(columns, input.number + 1)
                     : title_ + ' ' + shell_quoted(joined(columns));
}

void Feeder::each_command(const std::function<bool(const std::string&)>& use) {
    auto use_unless_done = [&](std::uint64_t number, const std::string& command) {
        return is_done(number, command) || use(command);
    };
    if (blocks_) {
        std::string block;
        const std::vector<std::string> none;
        for (std::uint64_t number = 0; must(blocks_->next(block)); ++number)
            if (!use_unless_done(number, template_->display(none, number + 1))) return;
        return;
    }
    Numbered input;
    for (; must(inputs_->next(input.record)); ++input.number)
        if (!use_unless_done(input.number, command_of(input))) return;
}

}  // namespace fanfold::scatterer::cli
