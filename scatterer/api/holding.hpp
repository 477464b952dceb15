// What a public object does with the state behind it, which may have been moved elsewhere, or have
// come here by a fork. Any thread.
#pragma once

#include <memory>
#include <string>

#include "fanfold/scatterer.hpp"

namespace fanfold::scatterer {

inline std::string forked_text(const char* what) {
    return std::string("this ") + what +
           " was made before a fork(), and its threads are in the parent; make one in the child";
}

/// The state. Throws FanfoldError when there is none here.
template <class State>
State& held(const std::unique_ptr<State>& state, const char* what) {
    if (!state)
        throw FanfoldError(std::string("this ") + what +
                           " was moved from; use the one that it was moved to");
    if (!state->birth.is_this()) throw FanfoldError(forked_text(what));
    return *state;
}

/// Ends it. In a forked child it is left as it is: there is no thread to end, and locks may be held
/// for ever.
template <class State>
void let_go(std::unique_ptr<State>& state) {
    if (state && !state->birth.is_this()) (void)state.release();
    state.reset();
}

}  // namespace fanfold::scatterer
