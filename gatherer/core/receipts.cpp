#include "gatherer/core/receipts.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

namespace {

constexpr const char* cancelled = "cancelled";

/// The reasons in the order in which they are listed, each with its fragments.
class ReasonList {
public:
    RangeSet& of(const std::string& reason) {
        for (auto& [name, ranges] : reasons_)
            if (name == reason) return ranges;
        return reasons_.emplace_back(reason, RangeSet{}).second;
    }

    void subtract_from(RangeSet& set) const {
        for (const auto& [name, ranges] : reasons_)
            for (Range range : ranges.ranges()) set.remove(range);
    }

    std::vector<wire::Missing> list() const {
        std::vector<wire::Missing> all;
        std::size_t most = limits::missing_ranges;
        for (const auto& [name, ranges] : reasons_) {
            if (ranges.empty()) continue;
            if (most == 0 || all.size() == limits::missing_reasons) break;
            auto listed = ranges.ranges();
            if (listed.size() > most) listed.resize(most);
            most -= listed.size();
            all.push_back({.reason = name, .ranges = std::move(listed)});
        }
        return all;
    }

private:
    std::vector<std::pair<std::string, RangeSet>> reasons_;
};

void add_failures(ReasonList& reasons, const RangeSet& failed, wire::FailureKind kind) {
    for (Range range : failed.ranges()) reasons.of(wire::to_string(kind)).add(range);
}

}  // namespace

/// 1 to `kinds`; a kind that only a later version knows counts as failed.
std::size_t Receipts::number_of(wire::FailureKind kind) {
    auto number = static_cast<std::size_t>(kind);
    return number >= 1 && number <= kinds ? number : 1;
}

void Receipts::add_failure(Range range, wire::FailureKind kind) {
    received_.add(range);
    failed_[number_of(kind) - 1].add(range);
}

std::uint64_t Receipts::cut(std::uint64_t total) {
    Range past{total, std::numeric_limits<Index>::max()};
    for (auto& set : failed_) set.remove(past);
    for (auto& set : let_go_) set.remove(past);
    return received_.remove(past);
}

void Receipts::start_round() {
    for (auto& set : failed_) {
        for (Range range : set.ranges()) received_.remove(range);
        set.clear();
    }
    for (Range range : let_go(LetGo::abandoned).ranges()) received_.remove(range);
    for (std::size_t what = 0; what < let_go_.size(); ++what)
        if (static_cast<LetGo>(what) != LetGo::values) let_go_[what].clear();
}

bool Receipts::restore_let_go(LetGo what, const std::vector<Range>& ranges) {
    auto number = static_cast<std::size_t>(what);
    for (Range range : ranges)
        for (Range fresh : of(what).missing(range)) {
            if (!received_.within(fresh).empty()) return false;
            received_.add(fresh);
            of(what).add(fresh);
            if (number >= 1 && number <= kinds) failed_[number - 1].add(fresh);
        }
    return true;
}

std::uint64_t Receipts::failures() const {
    std::uint64_t sum = 0;
    for (const auto& set : failed_) sum += set.size();
    return sum;
}

std::uint64_t Receipts::let_go_count() const {
    std::uint64_t sum = 0;
    for (const auto& set : let_go_) sum += set.size();
    return sum;
}

std::vector<Range> Receipts::failed_within(const std::vector<Range>& ranges) const {
    if (failures() == 0) return {};
    RangeSet failed;
    for (const RangeSet& kind : failed_)
        for (Range range : ranges)
            for (Range part : kind.within(range)) failed.add(part);
    std::vector<Range> found = failed.ranges();
    found.resize(std::min(found.size(), fanfold::limits::missing_ranges));
    return found;
}

std::vector<wire::Missing> Receipts::list_failures() const {
    ReasonList reasons;
    for (std::size_t i = 0; i < kinds; ++i)
        add_failures(reasons, failed_[i], static_cast<wire::FailureKind>(i + 1));
    return reasons.list();
}

std::vector<wire::Missing> Receipts::list_missing(
    std::optional<std::uint64_t> total, const std::vector<wire::Missing>& from_broker) const {
    ReasonList reasons;
    for (std::size_t i = 0; i < kinds; ++i)
        add_failures(reasons, failed_[i], static_cast<wire::FailureKind>(i + 1));
    // The broker may not have heard of what came in last.
    for (const auto& missing : from_broker)
        for (Range range : missing.ranges)
            for (Range part : received_.missing(range)) reasons.of(missing.reason).add(part);
    for (Range range : let_go(LetGo::abandoned).ranges()) reasons.of(cancelled).add(range);
    if (total) {
        RangeSet unexplained(received_.missing({0, *total}));
        reasons.subtract_from(unexplained);
        for (Range range : unexplained.ranges()) reasons.of(cancelled).add(range);
    }
    return reasons.list();
}

void Receipts::check_invariants() const {
    RangeSet failed;
    for (const auto& set : failed_)
        for (Range range : set.ranges()) failed.add(range);
    FANFOLD_CHECK(failed.size() == failures());
    for (Range range : failed.ranges()) FANFOLD_CHECK(received_.covers(range));
    for (const auto& set : let_go_)
        for (Range range : set.ranges()) FANFOLD_CHECK(received_.covers(range));
    for (LetGo values : {LetGo::values, LetGo::abandoned})
        for (Range range : let_go(values).ranges()) FANFOLD_CHECK(failed.within(range).empty());
}

}  // namespace fanfold::gatherer
