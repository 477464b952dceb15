#include "scatterer/cli/feeder.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "shared/codec.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr int recheck_ms = 20;  // for a source that can't say for what it waits

template <class T>
T must(Result<T> answer) {
    if (!answer) throw SystemError(answer.error().text);
    return *std::move(answer);
}

std::string joined_columns(const std::vector<std::string>& columns) {
    std::string text;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (i > 0) text += ' ';
        text += columns[i];
    }
    return text;
}

}  // namespace

void append_exec_payload(std::string& payload, const std::vector<std::string>& argv, const std::string* input) {
    wire::append_array(payload, 2);
    wire::append_array(payload, static_cast<std::uint32_t>(argv.size()));
    for (const std::string& word : argv) wire::append_text(payload, word);
    if (input) wire::append_bytes(payload, *input);
    else wire::append_nil(payload);
}

Feeder::Feeder(const MapOptions& options) : options_(options), title_(options.function) {
    CommandWords parted = part_command(options.words);
    if (options.function.empty()) {
        auto made = Template::make(parted.command, options.command);
        if (!made) throw UsageError(made.error().text);
        template_ = *std::move(made);
        title_ = template_->title();
    }
    if (options.command.pipe) {
        open_pipe();
        return;
    }
    auto opened = Inputs::open(parted.sources, options.sources);
    if (!opened) throw SystemError(opened.error().text);
    inputs_.emplace(*std::move(opened));
    known_total_ = inputs_->count();
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
                                        .separator = options_.sources.nul_separated ? '\0' : '\n'});
}

Feeder::~Feeder() {
    if (pipe_descriptor_ > 0) ::close(pipe_descriptor_);
}

std::optional<std::uint64_t> Feeder::total() const {
    if (sealed_) return added_;
    return known_total_;
}

void Feeder::stop() {
    stopped_ = true;
    wakeup_.wake();
}

void Feeder::run(Job& job, InputBook* book) {
    if (blocks_) feed_blocks(job, book);
    else if (!template_ && !book && inputs_->plain()) feed_plain(job);
    else feed_records(job, book);
    if (stopped_) return;
    job.seal();
    sealed_ = true;
}

/// False once stopped. The wait for input is the moment to send what was gathered: results come while input still does.
template <class Source>
bool Feeder::wait_for(Source& source, int descriptor, Job* job) {
    if (stopped_.load(std::memory_order_relaxed)) return false;
    if (!source.would_block()) return true;
    if (job) job->flush();
    do {
        int waiting_for = descriptor;
        if constexpr (requires { source.waits_for(); }) waiting_for = source.waits_for();
        pollfd items[2] = {{waiting_for, POLLIN, 0}, {wakeup_.fd(), POLLIN, 0}};
        (void)::poll(items, 2, waiting_for < 0 ? recheck_ms : -1);
        if (stopped_) return false;
    } while (source.would_block());
    return true;
}

void Feeder::feed_blocks(Job& job, InputBook* book) {
    std::string block;
    while (wait_for(*blocks_, pipe_descriptor_, &job) && must(blocks_->next(block))) {
        std::vector<std::string> none;
        std::uint64_t sequence = added_ + 1;
        if (book) book->remember(added_, {.values = {}, .command = template_->display(none, sequence)});
        add_command(job, must(template_->argv(none, sequence)), &block);
    }
}

void Feeder::feed_plain(Job& job) {
    std::string_view input;
    std::uint64_t count = 0;
    while (wait_for(*inputs_, -1, &job) && must(inputs_->next_plain(input))) {
        if (options_.json_lines) {
            payload_.clear();
            append_payload(input);
            job.add_packed(payload_);
        } else {
            job.add_text(input);
        }
        added_.store(++count, std::memory_order_relaxed);
    }
}

void Feeder::feed_records(Job& job, InputBook* book) {
    Record record;
    while (wait_for(*inputs_, -1, &job) && must(inputs_->next(record))) {
        if (book) book->remember(added_, described(record));
        if (template_) {
            add_command(job, must(template_->argv(record.columns, added_ + 1)), nullptr);
            continue;
        }
        payload_.clear();
        if (record.columns.size() != 1) wire::append_array(payload_, static_cast<std::uint32_t>(record.columns.size()));
        for (const std::string& column : record.columns) append_payload(column);
        job.add_packed(payload_);
        ++added_;
    }
}

void Feeder::add_command(Job& job, const std::vector<std::string>& argv, const std::string* input) {
    payload_.clear();
    append_exec_payload(payload_, argv, input);
    job.add_packed(payload_);
    ++added_;
}

void Feeder::append_payload(std::string_view input) {
    if (!options_.json_lines) return wire::append_text(payload_, input);
    try {
        auto packed = nlohmann::json::to_msgpack(nlohmann::json::parse(input));
        payload_.append(reinterpret_cast<const char*>(packed.data()), packed.size());
    } catch (const nlohmann::json::exception& error) {
        throw SystemError("input line " + std::to_string(added_ + 1) + " is not JSON: " + error.what());
    }
}

RememberedInput Feeder::described(const Record& record) const {
    std::string command =
        template_ ? template_->display(record.columns, added_ + 1) : title_ + ' ' + scatterer::quoted(joined_columns(record.columns));
    return {.values = record.columns, .command = std::move(command)};
}

void Feeder::each_command(const std::function<void(const std::string&)>& use) {
    if (blocks_) {
        std::string block;
        std::vector<std::string> none;
        for (; must(blocks_->next(block)); ++added_) use(template_->display(none, added_ + 1));
        return;
    }
    Record record;
    for (; must(inputs_->next(record)); ++added_) use(described(record).command);
}

}  // namespace fanfold::scatterer::cli
