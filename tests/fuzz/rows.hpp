// Rows of a store from a fuzzer's bytes: mostly of a message that belongs in such a row, about the
// job that the row is of; in the order in which a store hands them out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "shared/store/store.hpp"
#include "shared/wire/codec.hpp"
#include "tests/fuzz/maker.hpp"

namespace fanfold::fuzz {

/// The place of a message's type in wire::Message.
template <class T, std::size_t i = 0>
constexpr std::size_t index_of() {
    if constexpr (std::is_same_v<std::variant_alternative_t<i, wire::Message>, T>) return i;
    else return index_of<T, i + 1>();
}

/// What a kind of row holds.
struct RowKind {
    std::uint8_t kind = 0;
    std::size_t message = 0;
};

class RowMaker {
public:
    explicit RowMaker(std::vector<RowKind> kinds) : kinds_(std::move(kinds)) {}

    /// A line is a row; one that can't be made is left out, one of the same name replaces the
    /// earlier.
    std::vector<Record> rows(Bytes& input) const {
        std::map<std::tuple<JobId, std::uint8_t, std::uint64_t>, Record> named;
        while (!input.empty()) {
            Bytes line(input.line());
            if (line.empty()) break;
            if (auto record = row(line))
                named.insert_or_assign({record->job, record->kind, record->number},
                                       *std::move(record));
        }
        std::vector<Record> rows;
        for (auto& [name, record] : named) rows.push_back(std::move(record));
        return rows;
    }

private:
    std::optional<Record> row(Bytes& line) const {
        Maker maker(line);
        const RowKind& kind = kinds_[line.below(kinds_.size())];
        std::uint8_t flaws = line.byte();
        Record record{.job = maker.job(), .kind = kind.kind, .number = line.number()};
        auto message = (flaws & 0xf0) == 0xf0 ? maker.message() : maker.message_of(kind.message);
        if (!message) return std::nullopt;
        if ((flaws & 0x0e) != 0x0e)
            std::visit(
                [&](auto& known) {
                    if constexpr (requires { known.job = record.job; }) known.job = record.job;
                },
                *message);
        record.body = maker.body_of(*message);
        record.data = flaws == 0xff ? std::string(line.rest()) : wire::encode(*message);
        return record;
    }

    std::vector<RowKind> kinds_;
};

}  // namespace fanfold::fuzz
