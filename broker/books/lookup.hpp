// How the core finds sessions and jobs: by hash, in one step however many there are, where a tree
// would take a dozen of them through memory that is in no cache. What is looked up so is never
// walked in the order of the hash, so that a run can be replayed. Plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "shared/base/ids.hpp"

namespace fanfold::broker {

/// Of names that peers choose. Which of them collide differs from process to process (each has its
/// code at another address), so that nobody can choose those that do.
struct NameHash {
    std::size_t operator()(const PeerId& peer) const { return of(peer.bytes); }
    std::size_t operator()(const JobId& job) const {
        return of({reinterpret_cast<const char*>(job.bytes.data()),
                   job.bytes.size()});  // NOLINT(*-reinterpret-cast)
    }

private:
    static std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
        __extension__ using Wide = unsigned __int128;
        Wide product = static_cast<Wide>(a) * b;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    }
    static std::size_t of(std::string_view name) {
        static const char here = 0;
        constexpr std::uint64_t odd = 0x9e3779b97f4a7c15u;
        std::uint64_t hash = mixed(reinterpret_cast<std::uintptr_t>(&here) ^ odd, odd) ^
                             name.size();  // NOLINT(*-reinterpret-cast)
        for (; !name.empty();
             name.remove_prefix(std::min<std::size_t>(name.size(), sizeof(std::uint64_t)))) {
            std::uint64_t part = 0;
            std::memcpy(&part, name.data(), std::min(name.size(), sizeof part));
            hash = mixed(hash ^ part, odd ^ (hash >> 32));
        }
        return hash;
    }
};

/// A std::map, as far as the core uses one, with an index: walked in the order of its keys, found
/// by hash. Values stay where they are.
template <class Key, class Value>
class IndexedMap {
    using Map = std::map<Key, Value>;

public:
    using iterator = typename Map::iterator;
    using const_iterator = typename Map::const_iterator;
    using value_type = typename Map::value_type;

    iterator begin() { return map_.begin(); }
    iterator end() { return map_.end(); }
    const_iterator begin() const { return map_.begin(); }
    const_iterator end() const { return map_.end(); }
    iterator upper_bound(const Key& key) { return map_.upper_bound(key); }
    std::size_t size() const { return map_.size(); }
    bool empty() const { return map_.empty(); }

    iterator find(const Key& key) {
        auto found = index_.find(key);
        return found == index_.end() ? map_.end() : found->second;
    }
    const_iterator find(const Key& key) const {
        auto found = index_.find(key);
        return found == index_.end() ? map_.end() : const_iterator(found->second);
    }
    bool contains(const Key& key) const { return index_.contains(key); }
    Value& at(const Key& key) { return index_.at(key)->second; }
    const Value& at(const Key& key) const { return index_.at(key)->second; }

    template <class... Arguments>
    std::pair<iterator, bool> try_emplace(const Key& key, Arguments&&... arguments) {
        auto made = map_.try_emplace(key, std::forward<Arguments>(arguments)...);
        if (made.second) index_.emplace(key, made.first);
        return made;
    }
    Value& operator[](const Key& key) { return try_emplace(key).first->second; }

    void erase(iterator position) {
        index_.erase(position->first);
        map_.erase(position);
    }
    void erase(const Key& key) {
        if (auto found = find(key); found != end()) erase(found);
    }

private:
    Map map_;
    std::unordered_map<Key, iterator, NameHash> index_;
};

}  // namespace fanfold::broker
