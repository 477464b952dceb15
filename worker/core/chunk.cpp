#include "worker/core/chunk.hpp"

#include "shared/wire/codec.hpp"

namespace fanfold::worker {

std::optional<Slice> cut_objects(const Slice& body, ObjectCut cut) {
    if (cut.skip == 0 && cut.count == cut.total) return body;
    auto begin = wire::objects_length(body.view(), cut.skip);
    if (!begin) return std::nullopt;
    if (cut.skip + cut.count == cut.total) return body.sub(*begin, body.size() - *begin);
    auto length = wire::objects_length(body.view().substr(*begin), cut.count);
    if (!length) return std::nullopt;
    return body.sub(*begin, *length);
}

}  // namespace fanfold::worker
