#include "worker/commands/command_values.hpp"

#include <csignal>
#include <cstring>
#include <msgpack.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "shared/base/text.hpp"
#include "shared/wire/codec.hpp"
#include "worker/core/text.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

using Json = nlohmann::json;

/// Whether arrays and maps are nested no deeper than the conversion to JSON, which is recursive,
/// can bear. Walks without recursion.
bool is_shallow(std::string_view object) {
    auto size = object.size();
    auto by_reference = [](msgpack::type::object_type, std::size_t, void*) { return true; };
    std::size_t used = 0;
    try {
        msgpack::unpack(object.data(), size, used, by_reference, nullptr,
                        {size, size, size, size, size, limits::json_depth});
        return true;
    } catch (const msgpack::unpack_error&) {
        return false;
    }
}

void turn_bytes_into_numbers(Json& value) {
    if (value.is_binary()) {
        std::vector<std::uint8_t> bytes = value.get_binary();
        value = Json(std::move(bytes));
        return;
    }
    if (!value.is_structured()) return;
    for (auto& element : value) turn_bytes_into_numbers(element);
}

/// A piece of the payload, which shares its bytes.
Slice piece(const Slice& whole, std::string_view part) {
    return whole.sub(static_cast<std::size_t>(part.data() - whole.data()), part.size());
}

std::string with_stderr(std::string message, const std::string& err) {
    std::string_view end = tail(err, limits::error_tail);
    if (!end.empty()) message += ": " + std::string(end);
    return message;
}

std::string signal_text(int signal, const CommandLimits& limits) {
    const char* name = sigabbrev_np(signal);
    std::string text = "killed by signal " + std::to_string(signal);
    if (name != nullptr) text += std::string(" (SIG") + name + ")";
    if (signal == SIGXCPU && limits.cpu != 0)
        text += ", it used the " + std::to_string(limits.cpu) + "s of the worker's --limit-cpu";
    return text;
}

/// The system does not tell whether a limit was the reason.
std::string with_limits(const CommandLimits& limits) {
    std::string text = to_string(limits);
    return text.empty() ? text : "; its worker's " + text + " may be why";
}

}  // namespace

Result<Slice> input_of(const Slice& payload) {
    if (auto text = wire::text_of(payload.view())) return piece(payload, *text);
    if (!is_shallow(payload.view())) {
        return fail("the payload can't be written as JSON: it is nested deeper than " +
                    std::to_string(limits::json_depth) + " levels");
    }
    try {
        Json value = Json::from_msgpack(payload.view());
        turn_bytes_into_numbers(value);
        return Slice::take(value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    } catch (const Json::exception& error) {
        return fail(std::string("the payload can't be written as JSON: ") + error.what());
    }
}

Result<ExecPayload> exec_payload(const Slice& payload) {
    constexpr const char* wanted =
        "fanfold.exec wants the payload [argv, stdin]: an array of texts, then text, bytes or nil";
    auto parts = wire::elements_of(payload.view());
    if (!parts || parts->size() != 2) return fail(wanted);
    auto words = wire::elements_of((*parts)[0]);
    if (!words || words->empty()) return fail(wanted);
    ExecPayload result;
    for (std::string_view word : *words) {
        auto text = wire::text_of(word);
        if (!text) return fail(wanted);
        if (text->find('\0') != std::string_view::npos)
            return fail("a command's argument can't hold a NUL byte");
        result.argv.emplace_back(*text);
    }
    if (wire::is_nil((*parts)[1])) return result;
    auto input = wire::text_of((*parts)[1]);
    if (!input) return fail(wanted);
    result.input = piece(payload, *input);
    return result;
}

std::string output_value(std::string_view out) {
    return is_utf8(out) ? wire::pack_text(out) : wire::pack_bytes(out);
}

std::string streams_value(std::string_view out, std::string_view err,
                          std::optional<std::string_view> left) {
    std::string value;
    value.reserve(out.size() + err.size() + 16);
    wire::append_array(value, left ? 3 : 2);
    wire::append_bytes(value, out);
    wire::append_bytes(value, err);
    if (left) wire::append_bytes(value, *left);
    return value;
}

bool is_success(const CommandEnd& end) {
    return end.how == CommandEnd::How::exited && end.exit_code == 0;
}

wire::Failure failure_of(const CommandEnd& end, const FailureContext& context) {
    wire::Failure failure{
        .message = {}, .started = end.started, .elapsed = end.elapsed, .worker = {}};
    switch (end.how) {
        case CommandEnd::How::exited:
            failure.exit_code = end.exit_code;
            failure.message = "exit code " + std::to_string(end.exit_code);
            if (context.away)
                failure.message +=
                    " in a fresh folder, for its worker has not this one (see --cwd)";
            failure.message =
                with_stderr(std::move(failure.message), end.err) + with_limits(context.limits);
            break;
        case CommandEnd::How::signaled:
            failure.signal = end.signal;
            failure.message = with_stderr(signal_text(end.signal, context.limits), end.err);
            if (end.signal != SIGXCPU) failure.message += with_limits(context.limits);
            break;
        case CommandEnd::How::timed_out:
            failure.kind = wire::FailureKind::timeout;
            failure.message = with_stderr(timeout_text(context.timeout), end.err);
            break;
        case CommandEnd::How::over_limit:
            failure.message = "its output passed the limit of " +
                              std::to_string(context.max_output) +
                              " bytes; raise it with --max-output";
            break;
        case CommandEnd::How::not_started: failure.message = end.message; break;
        case CommandEnd::How::aborted:
            failure.kind = wire::FailureKind::cancelled;
            failure.message = "stopped";
            break;
    }
    return failure;
}

}  // namespace fanfold::worker
