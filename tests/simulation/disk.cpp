#include "tests/simulation/disk.hpp"

#include <algorithm>
#include <iterator>

#include "broker/state/rows.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
constexpr Duration tried_again = 1s;
constexpr Duration read_least = 20us, read_most = 20ms;
constexpr double hiccups_percent = 1;
constexpr Duration hiccup_most = 800ms;
constexpr double whole_percent = 50;  // of the groups under way at a death
}  // namespace

std::uint64_t Disk::open(std::function<void(News)> tell) {
    ++life_;
    tell_ = std::move(tell);
    appended_ = committed_ = 0;
    troubled_ = false;
    return ++epoch_;
}

void Disk::close() {
    ++life_;
    tell_ = {};
    queue_.clear();
    strike_ = {};
    if (bug_ == Bug::group_torn) apply_group(random_.below(group_.size() + 1));
    else if (full_ || moment_ == Moment::before_commit) apply_group(0);
    else apply_group(random_.chance(whole_percent) ? group_.size() : 0);
    moment_ = Moment::any;
}

void Disk::load(const std::function<void(const Record&)>& take) const {
    for (const auto& [name, record] : rows_) take(record);
}

Ticket Disk::append(std::vector<Record> records) {
    appended_ += records.size();
    for (Record& record : records) {
        bool early = bug_ == Bug::blocks_erased_early && record.change == Record::Change::erase &&
                     record.kind == static_cast<std::uint8_t>(broker::rows::Kind::block);
        if (early) apply(record);
        queue_.push_back(std::move(record));
    }
    if (group_.empty()) begin_commit();
    return appended_;
}

void Disk::begin_commit() {
    // The writer's thread takes what is there when it wakes, and that is a little later.
    scheduler_.after(random_.duration(1us, 100us), [this, life = life_] {
        if (life != life_ || !group_.empty() || queue_.empty()) return;
        group_ = std::exchange(queue_, {});
        Duration takes = random_.chance(hiccups_percent)
                             ? random_.duration(most_, std::max<Duration>(most_ * 2, hiccup_most))
                             : random_.duration(least_, most_);
        scheduler_.after(takes, [this, life] { end_commit(life); });
    });
}

void Disk::end_commit(std::uint64_t life) {
    if (life != life_) return;
    if (full_) {
        if (!std::exchange(troubled_, true)) tell_({.trouble = "cannot write: the disk is full"});
        return scheduler_.after(tried_again, [this, life] { end_commit(life); });
    }
    if (strikes(Moment::before_commit)) return;
    if (std::exchange(troubled_, false)) tell_({.trouble = ""});
    std::uint64_t bytes = 0;
    for (const Record& record : group_) bytes += record.body.size();
    committed_ += group_.size();
    ++commits_;
    apply_group(bug_ == Bug::last_record_lost ? group_.size() - 1 : group_.size());
    if (strikes(Moment::after_commit)) return;
    tell_({.committed = committed_, .committed_bytes = bytes});
    if (!queue_.empty()) begin_commit();
}

/// Whether the process dies now.
bool Disk::strikes(Moment moment) {
    if (!strike_ || moment_ != moment) return false;
    auto erases_job = [](const Record& record) {
        return record.change == Record::Change::erase_job;
    };
    if (bug_ == Bug::group_torn && std::ranges::none_of(group_, erases_job))
        return false;  // where it hurts
    std::exchange(strike_, {})();
    return true;
}

/// Of the group under way, so many are kept; the rest never was.
void Disk::apply_group(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) apply(group_[i]);
    group_.clear();
}

void Disk::apply(const Record& record) {
    switch (record.change) {
        case Record::Change::put: rows_[name_of(record)] = record; return;
        case Record::Change::erase: rows_.erase(name_of(record)); return;
        case Record::Change::erase_job:
            rows_.erase(rows_.lower_bound({record.job, 0, 0}),
                        rows_.upper_bound({record.job, 255, ~std::uint64_t{0}}));
            return;
    }
}

/// As it was appended last, whether or not it is committed.
Fetched Disk::look_up(const Fetch& wanted) const {
    Fetched none{.record = {.job = wanted.job, .kind = wanted.kind, .number = wanted.number},
                 .sound = false};
    for (const auto* records : {&queue_, &group_})
        for (auto record = records->rbegin(); record != records->rend(); ++record) {
            if (record->job != wanted.job) continue;
            if (record->change == Record::Change::erase_job) return none;
            if (record->kind != wanted.kind || record->number != wanted.number) continue;
            return record->change == Record::Change::put ? Fetched{.record = *record} : none;
        }
    auto row = rows_.find({wanted.job, wanted.kind, wanted.number});
    return row == rows_.end() ? none : Fetched{.record = row->second};
}

void Disk::fetch(const Fetch& wanted) {
    ++fetches_;
    Duration takes = random_.duration(read_least, read_most);
    scheduler_.after(takes, [this, life = life_, wanted] {
        if (life == life_) tell_({.fetched = look_up(wanted)});
    });
}

// --- the journal

SimulatedJournal::SimulatedJournal(Disk* disk, std::function<void()> awake)
    : disk_(disk), awake_(std::move(awake)) {
    if (!disk_) return;
    epoch_ = disk_->open([this](Disk::News news) {
        mailbox_.push_back(std::move(news));
        awake_();
    });
}

void SimulatedJournal::append(Record record) {
    if (!disk_) return;
    waiting_bytes_ += record.body.size();
    records_.push_back(std::move(record));
    ++appended_;
}

void SimulatedJournal::hand_over() {
    if (!records_.empty()) disk_->append(std::exchange(records_, {}));
}

void SimulatedJournal::fetch(const Fetch& wanted) {
    hand_over();
    disk_->fetch(wanted);
}

void SimulatedJournal::when_safe(std::function<void()> say) {
    if (safe()) say();
    else held_.emplace_back(appended_, std::move(say));
}

std::size_t SimulatedJournal::due() const {
    Ticket committed = committed_;
    for (const auto& news : mailbox_) committed = std::max(committed, news.committed);
    return static_cast<std::size_t>(
        std::ranges::count_if(held_, [&](const auto& one) { return one.first <= committed; }));
}

SimulatedJournal::Told SimulatedJournal::read(const std::function<bool()>& goes_on) {
    Told told;
    for (Disk::News& news : std::exchange(mailbox_, {})) {
        if (news.trouble) told.trouble = std::move(news.trouble);
        if (news.fetched) told.fetched.push_back(*std::move(news.fetched));
        if (news.committed == 0) continue;
        committed_ = news.committed;
        waiting_bytes_ -= news.committed_bytes;
        told.committed = Committed{.waiting_bytes = waiting_bytes_};
    }
    while (!held_.empty() && held_.front().first <= committed_ && goes_on()) {
        auto say = std::move(held_.front().second);
        held_.pop_front();
        say();
    }
    return told;
}

}  // namespace fanfold::simulation
