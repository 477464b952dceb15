#include "scatterer/outbox.hpp"

#include <utility>

#include "fanfold/scatterer.hpp"

namespace fanfold::scatterer {

namespace {
constexpr std::uint64_t waiting_bytes = 2 * limits::block_bytes;  // in the client, past the job's credit
constexpr auto look_around = std::chrono::milliseconds(10);
}  // namespace

Outbox::Outbox(OpenJob opening, BlockBuilder::Limits most, std::uint64_t credit, Ways ways)
    : job_(opening.job), ways_(std::move(ways)), opening_(std::move(opening)), builder_(most), limit_(credit) {}

template <class Add>
void Outbox::add(std::size_t bytes, Add&& add_to_builder) {
    if (stopped_.load(std::memory_order_relaxed)) throw_stopped();
    std::unique_lock lock(mutex_);
    if (sealed_) throw FanfoldError("job " + to_string(job_) + " is sealed; no fragment can be added");
    if (!builder_.has_room(bytes)) hand_over(lock);
    bool first = builder_.empty();
    if (auto added = add_to_builder(); !added) throw FanfoldError(added.error().text);
    if (first) ways_.flush_soon();
}

void Outbox::add_packed(std::string_view object) {
    add(object.size(), [&] { return builder_.add_packed(object); });
}

void Outbox::add_text(std::string_view text) {
    add(text.size() + BlockBuilder::text_overhead, [&] { return builder_.add_text(text); });
}

bool Outbox::has_room() const { return handed_ < limit_.load(std::memory_order_relaxed) + waiting_bytes; }

void Outbox::hand_over(std::unique_lock<std::mutex>& lock) {
    while (!builder_.empty()) {
        if (has_room()) return post_block({});
        std::uint64_t least = handed_ - waiting_bytes;
        lock.unlock();
        wait_for_room(least);
        if (stopped_) throw_stopped();
        lock.lock();
    }
}

void Outbox::wait_for_room(std::uint64_t least) {
    auto ready = [&] { return stopped_ || limit_ > least; };
    std::unique_lock news(news_mutex_);
    while (!news_.wait_for(news, look_around, ready)) {
        news.unlock();
        ways_.while_waiting();
        news.lock();
    }
}

void Outbox::post_block(std::optional<std::uint64_t> total) {
    std::vector<Event> events;
    if (opening_) events.emplace_back(std::move(*std::exchange(opening_, {})));
    PackedBlock block = builder_.take();
    handed_ += block.body.size();
    events.emplace_back(AppendBlock{job_, std::move(block), total});
    ways_.post(std::move(events));
}

void Outbox::flush() {
    std::unique_lock lock(mutex_);
    if (!over()) hand_over(lock);
}

void Outbox::seal() {
    std::unique_lock lock(mutex_);
    if (sealed_ || over()) return;
    std::uint64_t total = builder_.next_index();
    try {
        if (!builder_.empty() && !has_room()) hand_over(lock);
    } catch (const JobOver&) {
        return;
    }
    sealed_ = true;
    if (!builder_.empty()) return post_block(total);
    std::vector<Event> events;
    if (opening_) events.emplace_back(std::move(*std::exchange(opening_, {})));
    events.emplace_back(SealJob{job_, total});
    ways_.post(std::move(events));
}

/// Whether it has ended. Throws when it was refused.
bool Outbox::over() const {
    if (!stopped_) return false;
    std::lock_guard news(news_mutex_);
    if (kind_ == Stop::refused) throw FanfoldError(why_stopped_);
    return true;
}

void Outbox::wait_sealed() {
    if (!stopped_ && !sealed())
        throw FanfoldError("job " + to_string(job_) + " is not sealed; call seal() before waiting for its acceptance");
    std::unique_lock news(news_mutex_);
    news_.wait(news, [&] { return seal_accepted_ || stopped_; });
    if (!seal_accepted_) throw FanfoldError(why_stopped_);
}

void Outbox::open() {
    std::lock_guard lock(mutex_);
    if (!opening_) return;
    std::vector<Event> events;
    events.emplace_back(std::move(*std::exchange(opening_, {})));
    ways_.post(std::move(events));
}

bool Outbox::opened() const {
    std::lock_guard lock(mutex_);
    return !opening_;
}

bool Outbox::sealed() const {
    std::lock_guard lock(mutex_);
    return sealed_;
}

void Outbox::close() {
    std::lock_guard lock(mutex_);
    stop("job " + to_string(job_) + " was let go of", Stop::refused);
}

bool Outbox::flush_if_idle() {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return false;
    if (builder_.empty() || stopped_) return true;
    if (!has_room()) return false;
    post_block({});
    return true;
}

void Outbox::allow(std::uint64_t limit) {
    {
        std::lock_guard news(news_mutex_);
        limit_ = limit;
    }
    news_.notify_all();
}

void Outbox::seal_accepted() {
    {
        std::lock_guard news(news_mutex_);
        seal_accepted_ = true;
    }
    news_.notify_all();
}

void Outbox::stop(const std::string& why, Stop kind) {
    {
        std::lock_guard news(news_mutex_);
        if (stopped_) return;
        why_stopped_ = why;
        kind_ = kind;
        stopped_ = true;
    }
    news_.notify_all();
}

void Outbox::throw_stopped() const {
    std::lock_guard news(news_mutex_);
    if (kind_ == Stop::ended) throw JobOver(why_stopped_);
    throw FanfoldError(why_stopped_);
}

}  // namespace fanfold::scatterer
