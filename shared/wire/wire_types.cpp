#include "shared/wire/wire_types.hpp"

namespace fanfold::wire {

const char* to_string(FailureKind kind) {
    switch (kind) {
        case FailureKind::failed: return "failed";
        case FailureKind::timeout: return "timeout";
        case FailureKind::crashed: return "crashed";
        case FailureKind::cancelled: return "cancelled";
    }
    return "?";
}

const char* to_string(Outcome outcome) {
    switch (outcome) {
        case Outcome::running: return "running";
        case Outcome::complete: return "complete";
        case Outcome::partial: return "partial";
        case Outcome::expired: return "expired";
        case Outcome::failed: return "failed";
        case Outcome::cancelled: return "cancelled";
    }
    return "?";
}

const char* to_string(Role role) {
    switch (role) {
        case Role::client: return "client";
        case Role::worker: return "worker";
        case Role::gatherer: return "gatherer";
    }
    return "?";
}

}  // namespace fanfold::wire
