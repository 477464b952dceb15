#include "broker/state/rows.hpp"

#include "broker/base/limits.hpp"
#include "shared/wire/fields.hpp"

namespace fanfold::broker::rows {

/// What peers may say is limited where it comes in, so that a row is never too large to be read.
template <class Row>
std::string encode(const Row& row) {
    std::string data = wire::fields::encode_fields(row);
    FANFOLD_CHECK(data.size() <= limits::row_bytes);
    return data;
}

template <class Row>
Result<Row> decode(const std::string& data) {
    return wire::fields::decode_fields<Row>(data);
}

#define FANFOLD_ROW(Row)                     \
    template std::string encode(const Row&); \
    template Result<Row> decode(const std::string&);
FANFOLD_ROW(Job)
FANFOLD_ROW(Location)
FANFOLD_ROW(Block)
FANFOLD_ROW(Total)
FANFOLD_ROW(Error)
FANFOLD_ROW(Safe)
FANFOLD_ROW(Accepted)
FANFOLD_ROW(Tried)
FANFOLD_ROW(Share)
FANFOLD_ROW(Ended)
FANFOLD_ROW(Round)
FANFOLD_ROW(Forgotten)
#undef FANFOLD_ROW

}  // namespace fanfold::broker::rows
