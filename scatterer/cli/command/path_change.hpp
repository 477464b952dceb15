// What a replacement string makes of a value, as of a path: {.} {/} {//} {/.}, and with --plus
// {..} {+/} {+.} and the like. Pure, any thread.
#pragma once

#include <optional>
#include <string_view>

namespace fanfold::scatterer::cli {

struct PathChange {
    enum class Keep { rest, folder, taken_off };
    bool folders = false;  // its folders are taken off,
    int extensions = 0;    // and so many extensions, if there are as many
    Keep keep = Keep::rest;
};

/// What stands behind a value's number in a replacement string: "/." of {2/.}. Nothing for what is
/// no change.
std::optional<PathChange> path_change(std::string_view text, bool plus);

/// A part of the value, or ".", "/" or nothing.
std::string_view changed(std::string_view value, const PathChange& change);

}  // namespace fanfold::scatterer::cli
