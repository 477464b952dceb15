#include "shared/journal.hpp"

namespace fanfold {

Journal::Journal(const std::string& folder, const std::string& name) {
    if (folder.empty()) return;
    mailbox_ = std::make_unique<net::Mailbox<News>>();
    store_ =
        std::make_unique<Store>(Store::Options{.folder = folder,
                                               .name = name,
                                               .on_commit = [this](Ticket ticket) { mailbox_->post({.committed = ticket}); },
                                               .on_trouble = [this](std::string text) { mailbox_->post({.trouble = std::move(text)}); }});
}

void Journal::append(Record record) {
    if (!store_) return;
    records_.push_back(std::move(record));
    ++appended_;
}

void Journal::hand_over() {
    if (!records_.empty()) store_->append(std::exchange(records_, {}));
}

void Journal::when_safe(std::function<void()> say) {
    if (committed_ == appended_ && held_.empty()) say();
    else held_.emplace_back(appended_, std::move(say));
}

std::optional<std::string> Journal::read() {
    std::optional<std::string> trouble;
    for (News& news : mailbox_->take()) {
        if (news.trouble) trouble = std::move(news.trouble);
        else committed_ = news.committed;
    }
    while (!held_.empty() && held_.front().first <= committed_) {
        auto say = std::move(held_.front().second);
        held_.pop_front();
        say();
    }
    return trouble;
}

}  // namespace fanfold
