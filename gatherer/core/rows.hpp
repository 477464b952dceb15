// The rows in which a gatherer keeps its jobs (shared/store/store.hpp). They are read in the order
// of their kinds. After a cut at any record, what is left is a state in which the gatherer was, or
// one that the next step makes good.
//
// Within one format fields are only ever appended, and numbers of kinds are never used again for
// something else. Any other change raises `row_format`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "shared/base/result.hpp"
#include "shared/store/record.hpp"
#include "shared/wire/fields.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::gatherer {

inline constexpr int row_format = 1;  // 0: rows were messages of the wire

/// What kind of fragments a LetGoRow lists.
enum class LetGo : std::uint8_t {
    values = 0,
    failed = 1,  // the kinds of failures have the numbers of wire::FailureKind
    timeout = 2,
    crashed = 3,
    cancelled = 4,
    abandoned = 5,  // values that nobody saw
    count = 6,
};

enum class Row : std::uint8_t {
    broker = 1,
    job = 2,
    sequence = 3,
    let_go = 4,
    entry = 5,
    proposal = 6,
    outcome = 7,
    answered = 8,
    orphaned = 9,
};

/// Of no job: the life of the broker that was known last.
struct BrokerRow {
    static constexpr Row kind = Row::broker;
    Epoch epoch{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.epoch); };
};

/// Number: the round. Of two rows of a job, that of the later round counts.
struct JobRow {
    static constexpr Row kind = Row::job;
    std::uint32_t assignment = 0;
    wire::JobSpec spec{};
    std::string user{};
    std::optional<std::uint64_t> total{};
    std::uint64_t round_start = 0;  // failures stored before this sequence are of earlier rounds
    wire::Milliseconds opened{0};   // since 1970; the spec's deadline began then
    static constexpr auto fields = [](auto& r) {
        return std::tie(r.assignment, r.spec, r.user, r.total, r.round_start, r.opened);
    };
};

/// Number: 0. How many entries were stored before the last LetGoRow or the last round.
struct SequenceRow {
    static constexpr Row kind = Row::sequence;
    std::uint64_t next = 0;
    static constexpr auto fields = [](auto& r) { return std::tie(r.next); };
};

/// Fragments that are received and no longer held. Number: `LetGo`; a row holds a limited number
/// of ranges, the next one's number is higher by LetGo::count.
struct LetGoRow {
    static constexpr Row kind = Row::let_go;
    std::uint32_t round = 0;
    std::vector<Range> ranges{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.round, r.ranges); };
};

/// Number: the entry's sequence. Its body holds the values, or the failure's outputs.
struct EntryRow {
    static constexpr Row kind = Row::entry;
    Index first = 0;
    std::uint32_t count = 0;
    wire::RunMeta meta{};
    std::optional<wire::Failure> failure{};
    static constexpr auto fields = [](auto& r) {
        return std::tie(r.first, r.count, r.meta, r.failure);
    };
};

/// Number: the round.
struct ProposalRow {
    static constexpr Row kind = Row::proposal;
    wire::Outcome outcome = wire::Outcome::complete;
    std::string reason{};
    bool lost = false;  // the job's values are let go of when the broker has answered
    static constexpr auto fields = [](auto& r) { return std::tie(r.outcome, r.reason, r.lost); };
};

/// Number: the round.
struct OutcomeRow {
    static constexpr Row kind = Row::outcome;
    wire::Outcome outcome = wire::Outcome::complete;
    std::string reason{};
    std::vector<wire::Missing> missing{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.outcome, r.reason, r.missing); };
};

/// Number: the round. The broker knows the outcome.
struct AnsweredRow {
    static constexpr Row kind = Row::answered;
    wire::Outcome outcome = wire::Outcome::complete;  // as the broker told it
    static constexpr auto fields = [](auto& r) { return std::tie(r.outcome); };
};

/// Number: 0. The broker lost its memory of the job.
struct OrphanedRow {
    static constexpr Row kind = Row::orphaned;
    wire::Milliseconds at{0};  // since 1970
    static constexpr auto fields = [](auto& r) { return std::tie(r.at); };
};

using AnyRow = std::variant<BrokerRow, JobRow, SequenceRow, LetGoRow, EntryRow, ProposalRow,
                            OutcomeRow, AnsweredRow, OrphanedRow>;

/// The name of a row within its job.
struct RowName {
    Row kind = Row::broker;
    std::uint64_t number = 0;
};

/// The record of a row, by its number within its job and its kind.
template <class T>
Record record_of(const JobId& job, std::uint64_t number, const T& row, Slice body = {}) {
    return {.job = job,
            .kind = static_cast<std::uint8_t>(T::kind),
            .number = number,
            .data = wire::fields::encode_fields(row),
            .body = std::move(body)};
}

/// What a record of the store holds. Fails for a kind that this release does not know, and for data
/// that is no such row.
Result<AnyRow> read_row(const Record& record);

}  // namespace fanfold::gatherer
