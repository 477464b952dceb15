#include "worker/core/slots.hpp"

#include <algorithm>
#include <utility>

#include "shared/base/result.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

void Slots::start(Step& step, Chunk chunk, const wire::JobSpec& spec) {
    FANFOLD_CHECK(has_free());
    auto free =
        std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return !slot.task; });
    start(step, static_cast<SlotId>(free - slots_.begin()), std::move(chunk), spec);
}

void Slots::start_guest(Step& step, Chunk chunk, const wire::JobSpec& spec, SlotId host) {
    auto free = std::find_if(slots_.begin() + places_, slots_.end(),
                             [](const Slot& slot) { return !slot.task; });
    const auto place = static_cast<SlotId>(free - slots_.begin());
    if (free == slots_.end()) slots_.emplace_back();
    slots_[place].host = host;
    slots_[host].guest = place;
    start(step, place, std::move(chunk), spec);
}

/// The place is free; a guest has its host already.
void Slots::start(Step& step, SlotId place, Chunk chunk, const wire::JobSpec& spec) {
    Slot& slot = slots_[place];
    slot.task = ++last_task_;
    slot.chunk = std::move(chunk);
    slot.function = spec.function;
    slot.timeout = spec.timeout;
    slot.started = step.now;
    const Chunk& taken = slot.chunk;
    slot.open.add(taken.range);
    step.act(Note{.level = Level::debug,
                  .what = "chunk started",
                  .job = taken.job,
                  .range = taken.range,
                  .attempt = taken.attempt});
    step.act(Run{.slot = place,
                 .task = {.number = *slot.task,
                          .job = taken.job,
                          .first = taken.range.begin,
                          .count = static_cast<std::uint32_t>(taken.range.size()),
                          .attempt = taken.attempt,
                          .body = taken.body,
                          .spec = spec},
                 .host = slot.host});
}

// --- guests

void Slots::set_waiting(const Waits& event) {
    if (Slot* slot = find(event.task)) slot->waits = event.waits;
}

bool Slots::any_waiting() const {
    return std::any_of(slots_.begin(), slots_.end(),
                       [](const Slot& slot) { return slot.waits && !slot.guest; });
}

bool Slots::Slot::runs(const wire::OuterAttempt& attempt) const {
    return task && chunk.job == attempt.job && chunk.attempt == attempt.attempt &&
           !open.within({attempt.index, attempt.index + 1}).empty();
}

/// Those on whose thread it runs.
std::uint32_t Slots::hosts_of(const Slot& slot) const {
    std::uint32_t hosts = 0;
    for (auto host = slot.host; host; host = slots_[*host].host) ++hosts;
    return hosts;
}

std::optional<SlotId> Slots::host_for(const wire::JobSpec& spec) const {
    for (SlotId id = 0; id < slots_.size() && !spec.outer.empty(); ++id) {
        const Slot& slot = slots_[id];
        if (!slot.waits || slot.guest || hosts_of(slot) >= limits::nesting_depth) continue;
        if (std::any_of(spec.outer.begin(), spec.outer.end(),
                        [&](const auto& outer) { return slot.runs(outer); }))
            return id;
    }
    return std::nullopt;
}

bool Slots::has_outer_of(const wire::JobSpec& spec) const {
    return std::any_of(spec.outer.begin(), spec.outer.end(), [&](const auto& outer) {
        return std::any_of(slots_.begin(), slots_.end(),
                           [&](const Slot& slot) { return slot.runs(outer); });
    });
}

// --- what tasks report

Slots::Reported Slots::report(std::uint64_t task, Range range) {
    Slot* slot = find(task);
    if (slot == nullptr) return {};
    Reported reported{slot->chunk.job, slot->chunk.attempt, slot->open.within(range)};
    slot->open.remove(range);
    return reported;
}

std::optional<Slots::Unbegun> Slots::finish(Step& step, std::uint64_t task) {
    Slot* slot = find(task);
    if (slot == nullptr) return std::nullopt;
    step.act(Note{.level = slot->stuck ? Level::info : Level::debug,
                  .what = slot->stuck ? "handler that overran has returned" : "chunk finished",
                  .job = slot->chunk.job,
                  .range = slot->chunk.range,
                  .attempt = slot->chunk.attempt,
                  .took = step.now - slot->started});
    Unbegun unbegun = split(*slot, slot->open);
    if (slot->host) slots_[*slot->host].guest.reset();
    *slot = Slot{};
    return unbegun;
}

std::optional<Slots::Overrun> Slots::overrun(Step& step, const Overran& event) {
    Slot* slot = find(event.task);
    if (slot == nullptr || slot->stuck) return std::nullopt;
    slot->stuck = true;
    const Range guilty{event.index, event.index + 1};
    step.act(Note{.level = Level::warn,
                  .what = "handler ran past its timeout and can't be stopped",
                  .job = slot->chunk.job,
                  .range = guilty,
                  .attempt = slot->chunk.attempt,
                  .detail = slot->function});
    const bool wanted = slot->open.remove(guilty) > 0;
    return Overrun{.wanted = wanted,
                   .timeout = slot->timeout,
                   .rest = split(*slot, std::exchange(slot->open, {}))};
}

void Slots::release(Step& step, const JobId& job, Range range) {
    for (Slot& slot : slots_) {
        if (!slot.task || slot.chunk.job != job || slot.open.remove(range) == 0) continue;
        if (!slot.open.empty()) continue;
        step.act(Note{.level = Level::debug,
                      .what = "chunk stopped, it is not wanted any more",
                      .job = slot.chunk.job,
                      .range = slot.chunk.range,
                      .attempt = slot.chunk.attempt});
        step.act(Stop{*slot.task});
    }
}

void Slots::recall(Step& step, const JobId& job, const std::vector<Range>& ranges) {
    for (Slot& slot : slots_) {
        if (!slot.task || slot.chunk.job != job) continue;
        RangeSet asked;
        for (Range range : ranges) {
            for (Range part : slot.open.within(range)) asked.add(part);
        }
        if (asked.empty()) continue;
        for (Range part : asked.ranges()) slot.recalled.add(part);
        ++slot.trims;
        ++trims_;
        step.act(Trim{.task = *slot.task, .from = asked.front()->begin});
    }
}

std::optional<Slots::Unbegun> Slots::take_trimmed(const Trimmed& event) {
    FANFOLD_CHECK(trims_ > 0);
    --trims_;
    Slot* slot = find(event.task);
    if (slot == nullptr) return std::nullopt;
    RangeSet unbegun(slot->open.within(event.range));
    slot->open.remove(event.range);
    Unbegun result = split(*slot, std::move(unbegun));
    if (--slot->trims == 0) slot->recalled.clear();
    return result;
}

void Slots::begin_session() {
    for (Slot& slot : slots_) slot.recalled.clear();
}

Slots::Slot* Slots::find(std::uint64_t task) {
    auto at = std::find_if(slots_.begin(), slots_.end(),
                           [&](const Slot& slot) { return slot.task == task; });
    return at == slots_.end() ? nullptr : &*at;
}

Slots::Unbegun Slots::split(const Slot& slot, RangeSet unbegun) {
    Unbegun result{.chunk = slot.chunk, .recalled = {}, .again = {}};
    for (Range asked : slot.recalled.ranges()) {
        for (Range part : unbegun.within(asked)) result.recalled.add(part);
        unbegun.remove(asked);
    }
    result.again = std::move(unbegun);
    return result;
}

std::uint32_t Slots::busy() const {
    return static_cast<std::uint32_t>(
        std::count_if(slots_.begin(), slots_.begin() + places_,
                      [](const Slot& slot) { return slot.task.has_value(); }));
}

std::uint32_t Slots::stuck() const {
    auto is_stuck = [&](const Slot& slot) {
        const Slot* at = &slot;
        while (!at->stuck && at->guest) at = &slots_[*at->guest];
        return at->stuck;
    };
    return static_cast<std::uint32_t>(
        std::count_if(slots_.begin(), slots_.begin() + places_, is_stuck));
}

std::uint32_t Slots::lost() const {
    const std::uint32_t spares = places_ - count_;
    return stuck() - std::min(stuck(), spares);
}

std::set<std::string> Slots::stuck_functions() const {
    std::set<std::string> functions;
    for (const Slot& slot : slots_) {
        if (slot.stuck) functions.insert(slot.function);
    }
    return functions;
}

void Slots::check_invariants(std::map<JobId, RangeSet>& found) const {
    FANFOLD_CHECK(busy() - stuck() <= count_);
    for (const Slot& slot : slots_) {
        FANFOLD_CHECK(slot.task || (slot.open.empty() && !slot.stuck));
        FANFOLD_CHECK(!slot.stuck || slot.open.empty());
        FANFOLD_CHECK(slot.task || (!slot.host && !slot.guest && !slot.waits));
        FANFOLD_CHECK(slot.host.has_value() == (&slot - slots_.data() >= places_ && slot.task));
        if (slot.guest) FANFOLD_CHECK(&slots_[*slots_[*slot.guest].host] == &slot);
        FANFOLD_CHECK(slot.trims <= trims_);
        FANFOLD_CHECK(slot.trims > 0 || slot.recalled.empty());
        for (Range range : slot.open.ranges())
            FANFOLD_CHECK(found[slot.chunk.job].add(range) == range.size());
    }
}

namespace {
std::string stuck_functions(const Slots& slots) {
    std::string text;
    for (const std::string& function : slots.stuck_functions())
        text += (text.empty() ? "'" : ", '") + function + "'";
    return text;
}
}  // namespace

std::string all_stuck_text(const Slots& slots) {
    return (slots.places() == 1 ? "its only slot is stuck in a handler that ran past its timeout"
                                : "all " + std::to_string(slots.places()) +
                                      " slots are stuck in handlers that ran past their timeout") +
           ": " + stuck_functions(slots);
}

std::string not_run_text(const Slots& slots) {
    return "not run: handlers that ran past their timeout hold all " +
           std::to_string(slots.places()) + " threads of this worker: " + stuck_functions(slots) +
           "; let them return when Context::cancelled() says so, or give their jobs a longer "
           "timeout";
}

}  // namespace fanfold::worker
