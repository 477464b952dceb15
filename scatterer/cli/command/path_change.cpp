#include "scatterer/cli/command/path_change.hpp"

namespace fanfold::scatterer::cli {

namespace {

// As dirname(1) has it: slashes at the end do not count.
std::string_view folder_of(std::string_view path) {
    std::size_t end = path.find_last_not_of('/');
    if (end == std::string_view::npos) return path.empty() ? "." : "/";
    std::size_t slash = path.rfind('/', end);
    if (slash == std::string_view::npos) return ".";
    end = path.find_last_not_of('/', slash);
    return end == std::string_view::npos ? "/" : path.substr(0, end + 1);
}

/// Without so many extensions; nothing where there are fewer.
std::optional<std::string_view> without_extensions(std::string_view path, int count) {
    for (int i = 0; i < count; ++i) {
        const std::size_t mark = path.find_last_of("./");
        if (mark == std::string_view::npos || path[mark] != '.') return std::nullopt;
        path = path.substr(0, mark);
    }
    return path;
}

std::string_view extensions_of(std::string_view path, int count) {
    const auto rest = without_extensions(path, count);
    return rest ? path.substr(rest->size() + 1) : std::string_view();
}

}  // namespace

std::optional<PathChange> path_change(std::string_view text, bool plus) {
    PathChange change;
    if (text == "//") return PathChange{.keep = PathChange::Keep::folder};
    if (text == "+/" && plus)
        return PathChange{.folders = true, .keep = PathChange::Keep::taken_off};
    if (text.starts_with('+') && plus) {
        change.keep = PathChange::Keep::taken_off;
        text.remove_prefix(1);
        if (!text.starts_with('.')) return std::nullopt;
    } else if (text.starts_with('/')) {
        change.folders = true;
        text.remove_prefix(1);
    }
    const std::size_t most = plus ? 3 : 1;
    if (text.size() > most || text.find_first_not_of('.') != std::string_view::npos)
        return std::nullopt;
    change.extensions = static_cast<int>(text.size());
    return change;
}

std::string_view changed(std::string_view value, const PathChange& change) {
    switch (change.keep) {
        case PathChange::Keep::folder: return folder_of(value);
        case PathChange::Keep::taken_off: {
            if (!change.folders) return extensions_of(value, change.extensions);
            const std::size_t slash = value.rfind('/');
            return slash == std::string_view::npos ? std::string_view() : value.substr(0, slash);
        }
        case PathChange::Keep::rest: break;
    }
    if (change.folders) value = value.substr(value.rfind('/') + 1);
    return without_extensions(value, change.extensions).value_or(value);
}

}  // namespace fanfold::scatterer::cli
