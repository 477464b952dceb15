// All owners of the broker's facts, for those that need others. What an owner may call is bounded
// by the headers that it includes: those of the owners below it. Plain value.
#pragma once

namespace fanfold::broker {

class Clients;
class Conduct;
class Dispatcher;
class Endings;
class ErrorBatches;
class Estimates;
class Gathering;
class Jobs;
class Loads;
class Outbox;
class Payloads;
class Persistence;
class Retention;
class Sessions;
class Troubles;
class Users;
struct Options;

struct Owners {
    const Options& options;
    Jobs& jobs;
    Users& users;
    Sessions& sessions;
    Conduct& conduct;
    Outbox& outbox;
    Persistence& persistence;
    Payloads& payloads;
    Estimates& estimates;
    Loads& loads;
    Troubles& troubles;
    Dispatcher& dispatcher;
    Retention& retention;
    Endings& endings;
    ErrorBatches& errors;
    Gathering& gathering;
    Clients& clients;
};

}  // namespace fanfold::broker
