#include "shared/store/journal.hpp"

#include "shared/base/result.hpp"

namespace fanfold {

Journal::Journal(const std::string& folder, const std::string& name, int format) {
    if (folder.empty()) return;
    mailbox_ = std::make_unique<Mailbox<News>>();
    store_ = std::make_unique<Store>(Store::Options{
        .folder = folder,
        .name = name,
        .format = format,
        .on_commit =
            [this](Ticket ticket, std::uint64_t bytes) {
                mailbox_->post({.committed = ticket, .committed_bytes = bytes});
            },
        .on_trouble = [this](std::string text) { mailbox_->post({.trouble = std::move(text)}); },
        .on_damage = [this](std::string text) { mailbox_->post({.damage = std::move(text)}); },
        .on_fetched =
            [this](Fetched fetched) { mailbox_->post({.fetched = std::move(fetched)}); }});
}

void Journal::append(Record record) {
    if (!store_) return;
    waiting_bytes_ += record.body.size();
    last_[record.job] = ++appended_;
    records_.push_back(std::move(record));
}

void Journal::fetch(Fetch wanted) {
    hand_over();
    store_->fetch(wanted);
}

void Journal::hand_over() {
    if (!records_.empty()) store_->append(std::exchange(records_, {}));
}

void Journal::when_safe(const std::optional<JobId>& job, std::function<void()> say) {
    Ticket ticket = appended_;
    if (job) {
        auto last = last_.find(*job);
        ticket = last == last_.end() ? 0 : last->second;
    }
    if (ticket <= committed_) say();
    else held_.emplace(ticket, std::move(say));
}

Journal::Answers Journal::read() {
    Answers answers;
    for (News& news : mailbox_->take()) {
        if (news.damage) throw StartupError(*news.damage);
        if (news.trouble) answers.trouble = std::move(news.trouble);
        if (news.fetched) answers.fetched.push_back(*std::move(news.fetched));
        if (news.committed == 0) continue;
        committed_ = news.committed;
        waiting_bytes_ -= news.committed_bytes;
        answers.committed = Committed{.waiting_bytes = waiting_bytes_};
    }
    while (!held_.empty() && held_.begin()->first <= committed_) {
        auto say = std::move(held_.begin()->second);
        held_.erase(held_.begin());
        say();
    }
    if (answers.committed)
        std::erase_if(last_, [this](const auto& item) { return item.second <= committed_; });
    return answers;
}

}  // namespace fanfold
