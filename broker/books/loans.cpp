#include "broker/books/loans.hpp"

namespace fanfold::broker {

void Loans::note(const PeerId& worker, DispatchId dispatch, std::int64_t fragments) {
    changes_.push_back({worker, dispatch, fragments});
}

void Loans::note_gone(const std::vector<Span>& gone) {
    for (const Span& span : gone)
        note(span.value.worker, span.value.dispatch, -static_cast<std::int64_t>(span.range.size()));
}

void Loans::put(Range range, Loan loan) {
    note(loan.worker, loan.dispatch, static_cast<std::int64_t>(range.size()));
    first_.assign(range, std::move(loan));
}

void Loans::put_second(Index index, Loan loan) {
    const Loan* first = first_.at(index);
    FANFOLD_CHECK(first && first->worker != loan.worker && !is_hedged(index));
    note(loan.worker, loan.dispatch, 1);
    second_.assign({index, index + 1}, std::move(loan));
    ++hedged_;
}

void Loans::take(Range range) { note_gone(first_.take(range)); }

void Loans::take_second(Range range) { note_gone(second_.take(range)); }

std::vector<Range> Loans::lose(Range range) {
    take(range);
    RangeSet left({range});
    for (const Span& span : second_.within(range)) {
        left.remove(span.range);
        second_.erase(span.range);
        first_.assign(span.range, span.value);
    }
    return left.ranges();
}

void Loans::rename(const PeerId& old_id, const PeerId& new_id) {
    auto adopted = [&](const Span& span) {
        Loan loan{.worker = new_id, .attempt = span.value.attempt, .alone = span.value.alone};
        note(new_id, loan.dispatch, static_cast<std::int64_t>(span.range.size()));
        return loan;
    };
    for (const Span& span : first_.of(old_id)) {
        take(span.range);
        first_.assign(span.range, adopted(span));
    }
    for (const Span& span : second_.of(old_id)) {
        take_second(span.range);
        second_.assign(span.range, adopted(span));
    }
}

void Loans::clear() {
    for (const Holdings<Loan>* all : {&second_, &first_}) note_gone(all->all());
    second_.clear();
    first_.clear();
}

void Loans::check_invariants() const {
    first_.check_invariants();
    second_.check_invariants();
    const RangeSet lent = first_.set();
    for (const Span& span : second_.all())
        for (const Span& loan : first_.within(span.range))
            FANFOLD_CHECK(loan.value.worker != span.value.worker);
    for (Range range : second_.set().ranges()) FANFOLD_CHECK(lent.covers(range));
}

}  // namespace fanfold::broker
