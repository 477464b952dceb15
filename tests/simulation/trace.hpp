// The transcript of a run: always as a hash, which two runs of one seed must share, and as readable
// lines when asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "shared/wire/messages.hpp"

namespace fanfold::simulation {

class Trace {
public:
    explicit Trace(bool prints) : prints_(prints) {}

    bool prints() const { return prints_; }
    std::uint64_t hash() const { return hash_; }
    /// Jobs appear in the lines by number.
    void name_job(const JobId& job, std::uint32_t number) { jobs_[job] = number; }

    /// `line` is made only if somebody reads it.
    void add(Time now, std::string_view bytes, const std::function<std::string()>& line);
    std::string describe(const wire::Message& message) const;
    std::string name_of(const JobId& job) const;

private:
    bool prints_;
    std::uint64_t hash_ = 0xcbf29ce484222325u;
    std::map<JobId, std::uint32_t> jobs_;
};

}  // namespace fanfold::simulation
