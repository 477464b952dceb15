#include "shared/security/roles.hpp"

#include <variant>

namespace fanfold {

namespace {
/// One for each message, so that a new one can't be forgotten.
struct Rule {
    Roles roles;

    bool submits() const { return roles.has(Access::submit); }
    /// About a job that is there: whose it may be, its core knows.
    bool manages() const { return submits() || roles.has(Access::admin); }
    bool works() const { return roles.has(Access::work); }
    bool gathers() const { return roles.has(Access::gather); }
    bool is_anybody() const { return roles.bits != 0; }

    bool operator()(const wire::Hello& hello) const {
        switch (hello.role) {
            case wire::Role::client: return manages();
            case wire::Role::worker: return works();
            case wire::Role::gatherer: return gathers();
        }
        return false;
    }
    bool operator()(const wire::Heartbeat&) const { return is_anybody(); }
    bool operator()(const wire::Bye&) const { return is_anybody(); }
    bool operator()(const wire::Mark&) const { return manages() || works(); }

    bool operator()(const wire::Block&) const { return submits(); }
    bool operator()(const wire::Seal&) const { return submits(); }
    bool operator()(const wire::Find&) const { return submits(); }
    bool operator()(const wire::Cancel&) const { return manages(); }
    bool operator()(const wire::CancelFragments&) const { return manages(); }
    bool operator()(const wire::Watch&) const { return manages(); }
    bool operator()(const wire::Query&) const { return manages(); }
    bool operator()(const wire::Retry&) const { return manages(); }
    bool operator()(const wire::Adjust&) const { return manages(); }
    bool operator()(const wire::Forget&) const { return manages(); }
    bool operator()(const wire::Drain&) const { return roles.has(Access::admin); }
    bool operator()(const wire::Collect&) const { return manages(); }
    bool operator()(const wire::Acknowledge&) const { return manages(); }

    bool operator()(const wire::Done&) const { return works(); }
    bool operator()(const wire::Results&) const { return works(); }
    bool operator()(const wire::Relay&) const { return works(); }

    bool operator()(const wire::Gathered&) const { return gathers(); }
    bool operator()(const wire::Marked&) const { return gathers(); }
    bool operator()(const wire::Propose&) const { return gathers(); }
    bool operator()(const wire::Forgotten&) const { return gathers(); }
    bool operator()(const wire::Holds&) const { return gathers(); }
    bool operator()(const wire::Described&) const { return gathers(); }
    bool operator()(const wire::HandedRow&) const { return gathers(); }
    bool operator()(const wire::RowTaken&) const { return gathers(); }

    // The broker's and gatherers' own.
    bool operator()(const wire::Welcome&) const { return false; }
    bool operator()(const wire::Refused&) const { return false; }
    bool operator()(const wire::Accepted&) const { return false; }
    bool operator()(const wire::Sealed&) const { return false; }
    bool operator()(const wire::Located&) const { return false; }
    bool operator()(const wire::Notice&) const { return false; }
    bool operator()(const wire::Ended&) const { return false; }
    bool operator()(const wire::Report&) const { return false; }
    bool operator()(const wire::Found&) const { return false; }
    bool operator()(const wire::Retried&) const { return false; }
    bool operator()(const wire::Adjusted&) const { return false; }
    bool operator()(const wire::FragmentsCancelled&) const { return false; }
    bool operator()(const wire::Dispatch&) const { return false; }
    bool operator()(const wire::Release&) const { return false; }
    bool operator()(const wire::Drop&) const { return false; }
    bool operator()(const wire::SendAgain&) const { return false; }
    bool operator()(const wire::Recall&) const { return false; }
    bool operator()(const wire::Examine&) const { return false; }
    bool operator()(const wire::Assign&) const { return false; }
    bool operator()(const wire::Errors&) const { return false; }
    bool operator()(const wire::AllowedKeys&) const { return false; }
    bool operator()(const wire::Describe&) const { return false; }
    bool operator()(const wire::Drained&) const { return false; }
    bool operator()(const wire::HandOver&) const { return false; }
    bool operator()(const wire::Values&) const { return false; }
    bool operator()(const wire::Failures&) const { return false; }
    bool operator()(const wire::Concluded&) const { return false; }
};
}  // namespace

bool may(Roles roles, const wire::Message& message) { return std::visit(Rule{roles}, message); }

}  // namespace fanfold
