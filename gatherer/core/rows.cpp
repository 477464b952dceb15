#include "gatherer/core/rows.hpp"

#include "shared/wire/fields.hpp"

namespace fanfold::gatherer {

namespace {

template <class T>
Result<AnyRow> read_as(const Record& record) {
    auto row = wire::fields::decode_fields<T>(record.data);
    if (!row) return tl::unexpected(row.error());
    return AnyRow{*std::move(row)};
}

}  // namespace

Result<AnyRow> read_row(const Record& record) {
    switch (static_cast<Row>(record.kind)) {
        case Row::broker: return read_as<BrokerRow>(record);
        case Row::job: return read_as<JobRow>(record);
        case Row::sequence: return read_as<SequenceRow>(record);
        case Row::let_go: return read_as<LetGoRow>(record);
        case Row::entry: return read_as<EntryRow>(record);
        case Row::proposal: return read_as<ProposalRow>(record);
        case Row::outcome: return read_as<OutcomeRow>(record);
        case Row::answered: return read_as<AnsweredRow>(record);
        case Row::orphaned: return read_as<OrphanedRow>(record);
    }
    return fail("a kind of row that this release does not know");
}

}  // namespace fanfold::gatherer
