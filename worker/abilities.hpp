// What a worker says that it has, besides its functions, for jobs to require: labels, and amounts
// of resources that its running fragments share. Filled before the work begins.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/wire/wire_types.hpp"

namespace fanfold::worker {

class Abilities {
public:
    // All throw std::invalid_argument, naming what is wrong and the way out. A label that is there
    // already is not added again.
    void add_label(const std::string& label);
    void add_resource(const std::string& name, std::uint64_t amount);
    /// NAME=AMOUNT, with an amount such as 2, 512M or 16G (powers of 1024).
    void add_resource(const std::string& text);

    const std::vector<std::string>& labels() const { return labels_; }
    const std::vector<wire::Resource>& resources() const { return resources_; }

private:
    std::vector<std::string> labels_;
    std::vector<wire::Resource> resources_;
};

}  // namespace fanfold::worker
