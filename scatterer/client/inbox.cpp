#include "scatterer/client/inbox.hpp"

#include <iterator>
#include <utility>

namespace fanfold::scatterer {

void Inbox::put(Delivery delivery) {
    std::lock_guard lock(mutex_);
    items_.push_back(std::move(delivery));
}

void Inbox::locate() {
    std::lock_guard lock(mutex_);
    located_ = true;
}

void Inbox::conclude(wire::Concluded end) {
    std::lock_guard lock(mutex_);
    if (!over()) end_ = std::move(end);
}

void Inbox::refuse(std::string text) {
    std::lock_guard lock(mutex_);
    if (!over()) refusal_ = std::move(text);
}

bool Inbox::ready() const {
    std::lock_guard lock(mutex_);
    return !items_.empty() || over();
}

bool Inbox::located() const {
    std::lock_guard lock(mutex_);
    return located_ || over();
}

bool Inbox::take(std::deque<Delivery>& into) {
    std::lock_guard lock(mutex_);
    if (into.empty()) into.swap(items_);
    else
        into.insert(into.end(), std::make_move_iterator(items_.begin()),
                    std::make_move_iterator(items_.end()));
    items_.clear();
    return !into.empty() || over();
}

bool Inbox::finished() const {
    std::lock_guard lock(mutex_);
    return items_.empty() && end_;
}

std::optional<wire::Concluded> Inbox::end() const {
    std::lock_guard lock(mutex_);
    return end_;
}

std::optional<std::string> Inbox::refusal() const {
    std::lock_guard lock(mutex_);
    return refusal_;
}

}  // namespace fanfold::scatterer
