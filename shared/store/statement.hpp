// SQLite's prepared statements as values. On the thread that has the connection.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace fanfold {

/// The file is not what this program wrote.
struct Damage : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A statement that is prepared once and run often.
class Statement {
public:
    Statement() = default;
    /// Throws Damage where the tables are not those that it wants.
    Statement(sqlite3* db, const char* sql) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK)
            throw Damage(sqlite3_errmsg(db));
        statement_.reset(statement);
    }

    Statement& bind(int at, std::int64_t value) {
        return sqlite3_bind_int64(statement_.get(), at, value), *this;
    }
    /// The bytes must live until it has run.
    Statement& bind(int at, std::string_view bytes) {
        sqlite3_bind_blob64(statement_.get(), at, bytes.empty() ? "" : bytes.data(), bytes.size(),
                            SQLITE_STATIC);
        return *this;
    }
    /// Runs a statement that gives no rows. Returns SQLite's result.
    int run() {
        int result = sqlite3_step(statement_.get());
        sqlite3_reset(statement_.get());
        return result == SQLITE_DONE ? SQLITE_OK : result;
    }
    /// Whether there is another row. Anything but a row or the end is thrown, since rows that break
    /// off are no result.
    bool next() {
        int result = sqlite3_step(statement_.get());
        if (result != SQLITE_ROW && result != SQLITE_DONE) throw Damage(sqlite3_errstr(result));
        return result == SQLITE_ROW;
    }
    void reset() { sqlite3_reset(statement_.get()); }
    std::int64_t number(int column) const { return sqlite3_column_int64(statement_.get(), column); }
    std::string_view bytes(int column) const {
        const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
        return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
    }

private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace fanfold
