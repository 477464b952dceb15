#include "gatherer/core/life.hpp"

#include <algorithm>
#include <utility>

#include "shared/base/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

bool Life::raise(std::uint32_t assignment) {
    bool raised = assignment > round_.assignment;
    round_.assignment = std::max(round_.assignment, assignment);
    return raised;
}

void Life::start_round(const Round& round) {
    round_ = round;
    phase_ = Phase::gathering;
    verdict_ = {};
    missing_.clear();
    answered_ = orphaned_ = lost_ = false;
    late_.clear();
}

void Life::propose(Verdict verdict, bool lost) {
    FANFOLD_CHECK(phase_ == Phase::gathering);
    phase_ = Phase::proposed;
    verdict_ = std::move(verdict);
    lost_ = lost;
}

void Life::conclude(Verdict verdict, std::vector<wire::Missing> missing) {
    FANFOLD_CHECK(phase_ != Phase::ended);
    phase_ = Phase::ended;
    verdict_ = std::move(verdict);
    missing_ = std::move(missing);
    if (lost_ && verdict_.outcome != wire::Outcome::complete) damage_.clear();
}

bool Life::orphan() {
    answered_ = true;
    return !std::exchange(orphaned_, true);
}

bool Life::may_ask(Time now) {
    if (now - std::max(asked_, round_.opened) < limits::resend_after) return false;
    asked_ = now;
    return true;
}

void Life::check_invariants() const {
    FANFOLD_CHECK(phase_ != Phase::ended || verdict_.outcome != wire::Outcome::running);
    FANFOLD_CHECK(!answered_ || phase_ == Phase::ended);
    FANFOLD_CHECK(!orphaned_ || answered_);
}

}  // namespace fanfold::gatherer
