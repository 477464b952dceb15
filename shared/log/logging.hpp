// The log: one line an event, as text or as JSON, so that a job can be followed through all
// programs by grepping its id. It is the process's: set_up_logging() may be called while others
// write, and the last call counts. Any thread.
#pragma once

#include <string>

#include "shared/base/result.hpp"
#include "shared/events/events.hpp"

namespace fanfold {

struct LogOptions {
    std::string level = "info";   // trace, debug, info, warn, error, off
    std::string file;             // empty: stderr
    std::string format = "text";  // text, json
    // Of a file, SIZE:COUNT: past the size it is renamed (x.log to x.1.log) and begun again, and so
    // many old ones are kept. A size of 0: it grows.
    std::string rotate = "100M:5";
};

/// Throws StartupError for an unknown level or format, or a file that can't be written.
void set_up_logging(const LogOptions& options);

/// Goes on in the file that now has the name of the log's: another program has moved the old one.
void reopen_log_file();

/// Whether lines of this level are written at all.
bool logs(Level level);

/// Writes the line of a note; `component` says whose it is: broker, worker, gatherer, client. What
/// came from outside is escaped and of limited length; from info on, lines of one kind come at a
/// limited rate (limits::warning_lines, info_lines).
void write_log(const char* component, const Note& note);

/// The same for what the user's own code says: where nothing was set up it is written, too.
void write_said(const char* component, const Note& note);

}  // namespace fanfold
