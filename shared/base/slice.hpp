// A read-only run of bytes with shared ownership: a message part, or a piece of one, passed on
// without copying. The count is thread-safe, the bytes never change. A slice pins the whole of what
// it was cut from.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace fanfold {

class Slice {
public:
    Slice() = default;

    static Slice take(std::string bytes) {
        auto owner = std::make_shared<const std::string>(std::move(bytes));
        std::string_view view = *owner;
        return {std::move(owner), view};
    }
    static Slice copy(std::string_view bytes) { return take(std::string(bytes)); }
    /// `view` must stay valid while `owner` lives.
    static Slice share(std::shared_ptr<const void> owner, std::string_view view) {
        return {std::move(owner), view};
    }

    std::string_view view() const { return view_; }
    const char* data() const { return view_.data(); }
    std::size_t size() const { return view_.size(); }
    bool empty() const { return view_.empty(); }
    /// While this lives, so does view().
    const std::shared_ptr<const void>& owner() const { return owner_; }

    Slice sub(std::size_t offset, std::size_t length) const {
        return {owner_, view_.substr(offset, length)};
    }

private:
    Slice(std::shared_ptr<const void> owner, std::string_view view)
        : owner_(std::move(owner)), view_(view) {}

    std::shared_ptr<const void> owner_;
    std::string_view view_;
};

}  // namespace fanfold
