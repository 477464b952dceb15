// How jobs come: blocks and seals. Owned by the core's thread.
//
// Invariant: a job is whole when its total is known and accepted, and then nothing more of it is
// taken.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/core/clients.hpp"
#include "broker/core/gathering.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class Submissions {
public:
    explicit Submissions(const Owners& owners) : owners_(owners) {}

    /// Without a body it was left out, for there is no room for it.
    void on_block(Step& step, const wire::Block& block, std::optional<Slice> body,
                  const Sender& sender);
    void on_seal(Step& step, const PeerId& from, const wire::Seal& seal);
    /// All blocks before it have come: the client hears so, behind what is accepted of them.
    void on_mark(Step& step, const wire::Mark& mark, const Sender& sender);
    /// The store is in trouble; an empty text: it works again.
    void set_trouble(std::string text) { trouble_ = std::move(text); }

private:
    bool is_refused(Step& step, const wire::Block& block, const std::optional<Slice>& body,
                    const Sender& sender, Job* job);
    bool is_untimely(Step& step, const wire::Block& block, const PeerId& owner, const Job* job);
    void refuse_without_spec(Step& step, const wire::Block& block, const Sender& sender);
    static std::optional<wire::Digest> digest_with(const Job* job, const wire::Block& block,
                                                   const std::optional<Slice>& body);
    void refuse_digest(Step& step, const wire::Block& block, Job* job);
    Job* open(Step& step, const wire::Block& block, const Sender& sender);
    std::optional<wire::Refused> why_not_open(const Step& step, const wire::Block& block,
                                              const Sender& sender);
    std::string why_no_function(const wire::JobSpec& spec) const;
    bool fits(Step& step, Job& job, const wire::Block& block, const std::optional<Slice>& body);
    void accept(Step& step, Job& job, const wire::Block& block, Slice body,
                std::optional<wire::Digest> digest);
    static void refuse_earlier(Step& step, const PeerId& peer, const Job& job);
    void seal_when_whole(Step& step, Job& job);
    bool may_own(const PeerId& peer, const Sender& sender) const;

    const Owners& owners_;
    std::string trouble_;  // of the store; empty when all is well
};

}  // namespace fanfold::broker
