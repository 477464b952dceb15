#include "scatterer/client/outbox.hpp"

#include <algorithm>
#include <utility>

#include "fanfold/scatterer.hpp"
#include "scatterer/limits.hpp"

namespace fanfold::scatterer {

namespace {
std::string fragments_text(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " fragment" : " fragments");
}
}  // namespace

Outbox::Outbox(OpenJob opening, BlockBuilder::Limits most, std::uint64_t credit, Ways ways)
    : job_(opening.job),
      ways_(std::move(ways)),
      inbox_(*ways_.inbox),
      builder_(most),
      opening_(std::move(opening)) {
    inbox_.allow(credit);
    if (!opening_->spec.key.empty()) digest_.emplace();
}

Outbox::Outbox(const wire::Found& found, std::optional<OpenJob> opening, BlockBuilder::Limits most,
               Ways ways)
    : job_(found.job.value()),
      ways_(std::move(ways)),
      inbox_(*ways_.inbox),
      builder_(most),
      opening_(std::move(opening)),
      found_(found) {
    inbox_.allow(std::min(found.limit, found.bytes + limits::submission_window));
    digest_.emplace();
    agreed_ = found.next == 0 && !found.total;
    if (found.outcome != wire::Outcome::running)
        inbox_.stop({Stop::Kind::ended, ended_with_key_text(job_, found.outcome)});
}

template <class Add>
void Outbox::add(std::size_t bytes, Add&& add_to_builder) {
    bool plain = builder_.has_room(bytes) && builder_.fits(bytes) && !found_ && !sealed_ &&
                 !inbox_.stopped();
    if (!plain) prepare(bytes);
    if (auto added = add_to_builder(); !added) throw BadFragment(added.error().text);
    if (found_ && comparing(builder_.next_index() - 1)) compare();
    else if (!looked_after_.load(std::memory_order_relaxed)) ask_for_looks();
}

/// Makes room for another fragment, or throws what there is to say.
void Outbox::prepare(std::size_t bytes) {
    std::unique_lock lock(mutex_);
    adder_ = std::this_thread::get_id();
    bool compares = comparing(builder_.next_index());
    if (!compares && found_ && found_->total && !sealed_)
        differ("job " + to_string(job_) + " has " + fragments_text(*found_->total) +
               ", and the inputs go on past them");
    if (inbox_.stopped() && !(compares && ended())) throw_stopped();
    if (sealed_)
        throw FanfoldError("job " + to_string(job_) + " is sealed; no fragment can be added");
    if (!builder_.has_room(bytes)) hand_over(lock);
    builder_.grow(bytes);
}

void Outbox::ask_for_looks() {
    adder_ = std::this_thread::get_id();
    lay_ = builder_.next_index() - 1;
    looked_after_ = true;
    ways_.look_soon();
}

/// After another fragment of those that the job had already.
void Outbox::compare() {
    if (comparing(builder_.next_index())) return;
    std::lock_guard lock(mutex_);
    (void)taken(builder_.take());
    // There is none of a job that its broker took over from a gatherer.
    if (!found_->digest.empty() && digest_->value() != found_->digest)
        differ("the inputs differ from those of job " + to_string(job_) + " among the first " +
               fragments_text(found_->next));
    if (!found_->total) agreed_ = true;  // else the inputs must end here
}

void Outbox::differ(const std::string& how) {
    inbox_.stop({Stop::Kind::differs, "job key '" + found_->spec.key + "': " + how +
                                          "; use another key, or forget that job"});
    throw_stopped();
}

void Outbox::add_packed(std::string_view object) {
    add(object.size(), [&] { return builder_.add_packed(object); });
}

void Outbox::add_text(std::string_view text) {
    add(text.size() + BlockBuilder::text_overhead, [&] { return builder_.add_text(text); });
}

bool Outbox::has_room() const { return handed_ < inbox_.limit() + limits::waiting_bytes; }

void Outbox::hand_over(std::unique_lock<std::mutex>& lock) {
    while (!builder_.empty()) {
        if (comparing(builder_.next_index()) || has_room()) return post_block(builder_.take(), {});
        std::uint64_t least = handed_ - limits::waiting_bytes;
        lock.unlock();
        wait_for_room(least);
        if (inbox_.stopped()) throw_stopped();
        lock.lock();
    }
    (void)builder_.take();  // all of it was taken while it lay: the next block is a new one
}

void Outbox::wait_for_room(std::uint64_t least) {
    while (!inbox_.stopped() && inbox_.limit() <= least) {
        inbox_.wait_for_room(least, std::chrono::steady_clock::now() + limits::look_around);
        ways_.while_waiting();
    }
}

/// What all blocks go through, in order.
PackedBlock Outbox::taken(PackedBlock block) {
    handed_ += block.body.size();
    if (digest_) {
        digest_->add(block.body.view());
        block.digest = digest_->value();
    }
    return block;
}

void Outbox::post_block(PackedBlock block, std::optional<std::uint64_t> total) {
    block = taken(std::move(block));
    if (found_ && block.end() <= found_->next) return;  // the broker has it
    std::vector<Event> events;
    if (opening_) events.emplace_back(std::move(*std::exchange(opening_, {})));
    events.emplace_back(AppendBlock{job_, std::move(block), total});
    ways_.post(std::move(events));
}

void Outbox::flush() {
    std::unique_lock lock(mutex_);
    if (!over()) hand_over(lock);
}

void Outbox::seal() {
    std::unique_lock lock(mutex_);
    if (sealed_ || seal_found() || over()) return;
    std::uint64_t total = builder_.next_index();
    try {
        if (!builder_.empty() && !has_room()) hand_over(lock);
    } catch (const JobOver&) {
        return;
    }
    sealed_ = true;
    if (!builder_.empty()) return post_block(builder_.take(), total);
    std::vector<Event> events;
    if (opening_) events.emplace_back(std::move(*std::exchange(opening_, {})));
    events.emplace_back(SealJob{job_, total, digest_ ? digest_->value() : ""});
    ways_.post(std::move(events));
}

/// Whether the job was sealed when it was found: then the inputs must have come to the same end.
bool Outbox::seal_found() {
    if (comparing(builder_.next_index()))
        differ("job " + to_string(job_) + " has " + fragments_text(found_->next) +
               ", and the inputs end after " + std::to_string(builder_.next_index()));
    if (!found_ || !found_->total) return false;
    sealed_ = true;
    agreed_ = true;
    inbox_.accept_seal();
    return true;
}

bool Outbox::ended() const {
    auto stop = inbox_.why_stopped();
    return stop && stop->kind == Stop::Kind::ended;
}

/// Whether it has ended. Throws when it was refused.
bool Outbox::over() const {
    if (!inbox_.stopped()) return false;
    if (!ended()) throw_stopped();
    return true;
}

void Outbox::wait_sealed() {
    if (!inbox_.stopped() && !sealed())
        throw FanfoldError("job " + to_string(job_) +
                           " is not sealed; call seal() before waiting for its acceptance");
    if (!inbox_.wait_sealed()) throw FanfoldError(inbox_.why_stopped()->why);
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
    inbox_.stop({Stop::Kind::refused, "job " + to_string(job_) + " was let go of"});
}

void Outbox::flush_own() {
    if (adder_ != std::this_thread::get_id()) return;
    std::lock_guard lock(mutex_);
    if (inbox_.stopped() || comparing(builder_.first_lying()) || !has_room()) return;
    if (builder_.end_lying() > builder_.first_lying()) post_block(builder_.take_lying(), {});
}

bool Outbox::look() {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return true;
    if (sealed_ || inbox_.stopped()) return false;
    Index first = builder_.first_lying();
    if (builder_.end_lying() == first || comparing(first))
        return looked_after_.exchange(false);  // once more
    looked_after_ = true;
    bool lay = lay_.exchange(first) == first;
    if (lay && has_room()) post_block(builder_.take_lying(), {});
    return true;
}

void Outbox::throw_stopped() const {
    Stop stop = inbox_.why_stopped().value();
    switch (stop.kind) {
        case Stop::Kind::ended: throw JobOver(stop.why);
        case Stop::Kind::refused: throw FanfoldError(stop.why);
        case Stop::Kind::differs: throw JobDiffers(stop.why);
    }
    FANFOLD_CHECK(false);
}

std::string ended_with_key_text(const JobId& job, wire::Outcome outcome) {
    std::string id = to_string(job);
    return "job " + id + " has ended as " + wire::to_string(outcome) + "; fanfold retry " + id +
           " runs again what failed, fanfold forget " + id + " frees the key";
}

}  // namespace fanfold::scatterer
