#include "worker/core/health.hpp"

#include <algorithm>

#include "shared/base/text.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {
/// Twice as long each time.
Duration grown(Duration first, std::uint32_t times, Duration most) {
    return std::min<Duration>(first * (1 << std::min(times - 1, 20U)), most);
}
}  // namespace

void Health::trouble(Step& step, const std::string& reason) {
    if (rests()) return;  // of what ran beside it
    ++troubles_;
    must_pass_ = troubles_ >= limits::troubles_until_check;
    rest(step, reason, grown(limits::first_rest, troubles_, limits::longest_rest));
}

void Health::doubted(Step& step, const std::string& reason) {
    if (step.now - doubted_ > limits::doubts_remembered) doubts_ = 0;
    doubted_ = step.now;
    ++doubts_;
    must_pass_ = true;
    rest(step, reason, grown(limits::first_doubted_rest, doubts_, limits::longest_doubted_rest));
}

void Health::rest(Step& step, const std::string& reason, Duration time) {
    changed_ = changed_ || !rests();
    reason_ = cut_between_characters(reason, limits::reason_bytes);
    until_ = step.now + time;
    step.act(Note{.level = Level::warn,
                  .what = must_pass_ ? "worker takes nothing until it has passed its check"
                                     : "worker takes nothing for a while",
                  .took = time,
                  .detail = reason_});
}

void Health::keep_time(Step& step) {
    if (!until_ || step.now < *until_) return;
    until_.reset();
    if (must_pass_) step.act(Check{});
    else end_rest(step);
}

void Health::take_checked(Step& step, const std::string& why) {
    if (!rests() || until_) return;
    if (why.empty()) return end_rest(step);
    ++troubles_;
    rest(step, "its check: " + why, grown(limits::first_rest, troubles_, limits::longest_rest));
}

void Health::end_rest(Step& step) {
    step.act(Note{.level = Level::info, .what = "worker takes work again", .detail = reason_});
    reason_.clear();
    must_pass_ = false;
    changed_ = true;
}

}  // namespace fanfold::worker
