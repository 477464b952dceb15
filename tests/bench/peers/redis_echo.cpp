// The echo through two lists of Redis: fragments and results, one to an element, taken by two
// workers. What can go out together does. usage: redis_echo SECONDS PORT
#include <hiredis/hiredis.h>

#include <memory>
#include <string_view>

#include "tests/bench/children.hpp"
#include "tests/bench/peers/echo.hpp"

namespace fanfold::bench {
namespace {

struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Connection = std::unique_ptr<redisContext, Free>;
using Reply = std::unique_ptr<redisReply, Free>;

Connection connect(int port) {
    Connection connection(redisConnect("127.0.0.1", port));
    check(connection && connection->err == 0, "the server answers");
    return connection;
}

Reply read(const Connection& connection) {
    void* reply = nullptr;
    check(redisGetReply(connection.get(), &reply) == REDIS_OK && reply, "the server answers");
    Reply owned(static_cast<redisReply*>(reply));
    if (owned->type == REDIS_REPLY_ERROR) throw std::runtime_error(owned->str);
    return owned;
}

void ask_for_one(const Connection& connection, const char* list) {
    redisAppendCommand(connection.get(), "BLPOP %s 0", list);
}

std::string_view element_of(const Reply& reply) {
    check(reply->type == REDIS_REPLY_ARRAY && reply->elements == 2, "a list gives an element");
    return {reply->element[1]->str, reply->element[1]->len};
}

void work(int port) {
    Connection connection = connect(port);
    for (ask_for_one(connection, "fragments");;) {
        Reply taken = read(connection);
        std::string_view fragment = element_of(taken);
        redisAppendCommand(connection.get(), "RPUSH results %b", fragment.data(), fragment.size());
        ask_for_one(connection, "fragments");  // goes out together with the result
        read(connection);
    }
}

void run_job(const Connection& connection, std::uint64_t count) {
    Results results(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        Numbered fragment = numbered(i);
        redisAppendCommand(connection.get(), "RPUSH fragments %b", &fragment, sizeof(fragment));
    }
    for (std::uint64_t i = 0; i < count; ++i) ask_for_one(connection, "results");
    for (std::uint64_t i = 0; i < count; ++i) read(connection);
    for (std::uint64_t i = 0; i < count; ++i) {
        Reply taken = read(connection);
        std::string_view result = element_of(taken);
        results.take(result.data(), result.size());
    }
    check(results.complete(), "all results are there");
}

void run(double seconds, int port) {
    Children workers;
    for (std::uint32_t i = 0; i < peer_workers; ++i) workers.start([&] { work(port); });
    Connection connection = connect(port);
    measure_echo(seconds, 10'000, [&](std::uint64_t count) { run_job(connection, count); });
}

}  // namespace
}  // namespace fanfold::bench

int main(int count, char** arguments) {
    return fanfold::bench::peer_main(count, arguments, fanfold::bench::run);
}
