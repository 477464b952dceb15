// Copies of a store's database, as it is at one moment: taken while its daemon runs and writes, and
// put in its place again. On any thread.
#pragma once

#include <cstdint>
#include <string>

namespace fanfold {

/// Copies the database file `from`, with what its log has, into the new file `to`, which others
/// can't read; what is there at the end is whole. Returns its bytes. Throws StartupError naming the
/// file and the way out: it can't be read, it is damaged, `to` is there or can't be written.
/// Source: sqlite.org/backup.html.
std::uint64_t copy_database(const std::string& from, const std::string& to);

}  // namespace fanfold
