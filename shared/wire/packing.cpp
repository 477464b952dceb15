#include "shared/wire/packing.hpp"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "shared/base/limits.hpp"

namespace fanfold {

namespace {
constexpr int level = 1;
constexpr std::size_t sample_bytes = 16 << 10;
constexpr std::size_t sampled_above = 4 * sample_bytes;  // a smaller body is tried as a whole
constexpr std::size_t kept_scratch = 4 << 20;  // a thread keeps no more of its scratch memory
constexpr std::uint64_t most_of_a_block =
    128 << 10;  // bytes in one block of a zstd frame, which takes 4 bytes at least

std::size_t worth(std::size_t raw) { return raw - raw / 10; }

/// Compresses into the thread's scratch memory; 0: it can't.
std::size_t compress(std::string_view bytes, std::vector<char>& scratch) {
    static thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(
        ZSTD_createCCtx(), ZSTD_freeCCtx);
    std::size_t room = ZSTD_compressBound(bytes.size());
    if (scratch.size() < room) scratch.resize(room);
    std::size_t size = ZSTD_compressCCtx(context.get(), scratch.data(), scratch.size(),
                                         bytes.data(), bytes.size(), level);
    return ZSTD_isError(size) != 0 ? 0 : size;
}
}  // namespace

std::optional<PackedFrames> pack(const std::string& header, std::string_view body) {
    static thread_local std::vector<char> scratch;
    if (body.size() < limits::compress_above) return std::nullopt;
    if (body.size() > sampled_above) {
        std::size_t sample = compress(body.substr(body.size() / 2, sample_bytes), scratch);
        if (sample == 0 || sample > worth(sample_bytes)) return std::nullopt;
    }
    std::size_t size = compress(body, scratch);
    std::optional<PackedFrames> frames;
    if (size > 0 && size <= worth(body.size())) {
        frames = {.header = wire::encode(wire::Packed{.raw_bytes = body.size(), .header = header}),
                  .body = Slice::copy({scratch.data(), size})};
        if (frames->header.size() > limits::header_bytes) frames.reset();
    }
    if (scratch.size() > kept_scratch) std::vector<char>().swap(scratch);
    return frames;
}

Result<Slice> unpack(const wire::Packed& packed, std::string_view body) {
    static thread_local const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(
        ZSTD_createDCtx(), ZSTD_freeDCtx);
    std::uint64_t raw = packed.raw_bytes;
    if (raw > limits::body_bytes)
        return fail("a packed body of " + std::to_string(raw) + " bytes is past the limit");
    auto claimed = ZSTD_getFrameContentSize(body.data(), body.size());
    bool sound = claimed == raw || claimed == ZSTD_CONTENTSIZE_UNKNOWN;
    sound = sound && ZSTD_findFrameCompressedSize(body.data(), body.size()) == body.size();
    if (!sound || raw > (body.size() / 4 + 1) * most_of_a_block)
        return fail("a packed body is not one zstd frame of the size that its header says");
    std::shared_ptr<char[]> bytes(new char[raw]);  // its contents are not set twice
    if (ZSTD_decompressDCtx(context.get(), bytes.get(), raw, body.data(), body.size()) != raw)
        return fail("a packed body is damaged, or not as long as its header says");
    std::string_view view(bytes.get(), raw);
    return Slice::share(std::move(bytes), view);
}

void CompressedJobs::note(const JobId& job, const wire::JobSpec& spec) {
    if (spec.compress) jobs_.insert(job);
}

void CompressedJobs::learn(const wire::Message& message) {
    if (auto* block = std::get_if<wire::Block>(&message); block && block->spec)
        note(block->job, *block->spec);
    else if (auto* dispatch = std::get_if<wire::Dispatch>(&message); dispatch && dispatch->brief)
        note(dispatch->job, dispatch->brief->spec);
    else if (auto* found = std::get_if<wire::Found>(&message); found && found->job)
        note(*found->job, found->spec);
    else if (jobs_.empty()) return;
    else if (auto* ended = std::get_if<wire::Ended>(&message)) jobs_.erase(ended->job);
    else if (auto* drop = std::get_if<wire::Drop>(&message)) jobs_.erase(drop->job);
}

bool CompressedJobs::wants(const wire::Message& message) const {
    if (jobs_.empty()) return false;
    bool carries = std::holds_alternative<wire::Block>(message) ||
                   std::holds_alternative<wire::Dispatch>(message) ||
                   std::holds_alternative<wire::Results>(message);
    return carries && jobs_.contains(*wire::job_of(message));
}

}  // namespace fanfold
