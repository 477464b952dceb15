#include "scatterer/api/scatterer_state.hpp"

#include <algorithm>
#include <utility>

#include "scatterer/api/job_state.hpp"
#include "scatterer/limits.hpp"
#include "shared/net/endpoints.hpp"

namespace fanfold {

using scatterer::OpenJob;
using scatterer::Outbox;

namespace {

scatterer::BlockBuilder::Limits most_of(const wire::Welcome& welcome) {
    return {.payload_bytes = welcome.payload_bytes,
            .block_bytes = std::min<std::uint64_t>(welcome.block_bytes, limits::block_bytes)};
}

void check_same_command(const wire::Found& found, const wire::JobSpec& wanted) {
    std::string job = "job key '" + found.spec.key + "': job " + to_string(*found.job);
    std::string way_out = "; use another key, or forget that job";
    if (found.spec.function != wanted.function)
        throw JobDiffers(job + " is of the function '" + found.spec.function + "', not of '" +
                         wanted.function + "'" + way_out);
    if (found.spec.title != wanted.title)
        throw JobDiffers(job + " is '" + found.spec.title + "', not '" + wanted.title + "'" +
                         way_out);
}

}  // namespace

Scatterer::State::State(scatterer::ClientOptions options)
    : own_context(std::make_unique<zmq::context_t>(1)) {
    connect(*own_context, std::move(options));
}

Scatterer::State::State(zmq::context_t& context, scatterer::ClientOptions options) {
    connect(context, std::move(options));
}

Scatterer::State::~State() {
    if (client) client->stop();
}

void Scatterer::State::connect(zmq::context_t& context, scatterer::ClientOptions options) {
    if (auto sound = net::check_endpoint(options.broker, "broker", false); !sound)
        throw FanfoldError(sound.error().text);
    try {
        client = std::make_shared<scatterer::Client>(context, std::move(options));
    } catch (const StartupError& error) {
        throw FanfoldError(error.what());
    }
    if (auto connected = client->wait_connected(); !connected) {
        client->stop();
        throw FanfoldError(connected.error().text);
    }
}

std::unique_ptr<Job::State> Scatterer::State::make_job(const JobId& job, JobOptions& options) {
    auto state = std::make_unique<Job::State>(client, job);
    state->attached = options.attached && options.key.empty();
    state->has_key = !options.key.empty();
    state->inner = state->attached && !options.parent.attempts.empty();
    state->how = {.ordered = options.ordered, .now = false};
    if (options.on_notice)
        state->link->on_notice =
            std::make_shared<scatterer::NoticeFunction>(std::move(options.on_notice));
    return state;
}

std::unique_ptr<Job::State> Scatterer::State::begin(OpenJob opening, JobOptions& options) {
    wire::Welcome welcome = client->welcome();
    JobId job = opening.job;
    auto state = make_job(job, options);
    state->collecting = opening.collect.has_value();  // together with the first block
    state->outbox = std::make_shared<Outbox>(
        std::move(opening), most_of(welcome),
        std::min(welcome.job_credit, scatterer::limits::submission_window), state->ways());
    return state;
}

std::unique_ptr<Job::State> Scatterer::State::go_on(const wire::Found& found, OpenJob opening,
                                                    JobOptions& options) {
    if (found.busy) throw FanfoldError(scatterer::busy_text(*found.job, options.key));
    check_same_command(found, opening.spec);
    auto state = make_job(*found.job, options);
    state->found = found;
    state->watches = found.total || found.outcome != wire::Outcome::running;
    bool collect = opening.collect.has_value();
    opening.job = *found.job;
    opening.collect.reset();  // the results are asked for below, or later
    opening.continues = {.next = found.next, .bytes = found.bytes, .limit = found.limit};
    std::optional<OpenJob> to_submit;
    if (!state->watches) to_submit = std::move(opening);
    state->outbox = std::make_shared<Outbox>(found, std::move(to_submit),
                                             most_of(client->welcome()), state->ways());
    state->outbox->open();
    if (collect) state->collect();
    return state;
}

}  // namespace fanfold
