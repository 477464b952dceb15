#include "shared/base/ids.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>

namespace fanfold {

namespace {
constexpr char hex_digits[] = "0123456789abcdef";

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

constexpr bool dash_before(std::size_t byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}
}  // namespace

void broken_invariant(const char* what, const char* file, int line) {
    std::fprintf(stderr, "fanfold: broken invariant: %s (%s:%d)\n", what, file, line);
    std::abort();
}

std::string to_string(const JobId& job) {
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < job.bytes.size(); ++i) {
        if (dash_before(i)) text += '-';
        text += hex_digits[job.bytes[i] >> 4];
        text += hex_digits[job.bytes[i] & 15];
    }
    return text;
}

Result<JobId> parse_job_id(std::string_view text) {
    JobId job;
    std::size_t at = 0;
    for (std::size_t i = 0; i < job.bytes.size(); ++i) {
        if (dash_before(i) && (at >= text.size() || text[at++] != '-'))
            return fail("not a job id: '" + std::string(text) + "'");
        int high = at < text.size() ? hex_value(text[at]) : -1;
        int low = at + 1 < text.size() ? hex_value(text[at + 1]) : -1;
        if (high < 0 || low < 0) return fail("not a job id: '" + std::string(text) + "'");
        job.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
        at += 2;
    }
    if (at != text.size()) return fail("not a job id: '" + std::string(text) + "'");
    return job;
}

JobId make_job_id(std::chrono::milliseconds since_1970, std::uint64_t random_high,
                  std::uint64_t random_low) {
    JobId job;
    auto stamp = static_cast<std::uint64_t>(since_1970.count());
    for (std::size_t i = 0; i < 6; ++i)
        job.bytes[i] = static_cast<std::uint8_t>(stamp >> (40 - 8 * i));
    for (std::size_t i = 0; i < 2; ++i)
        job.bytes[6 + i] = static_cast<std::uint8_t>(random_high >> (8 * i));
    for (std::size_t i = 0; i < 8; ++i)
        job.bytes[8 + i] = static_cast<std::uint8_t>(random_low >> (8 * i));
    job.bytes[6] = static_cast<std::uint8_t>((job.bytes[6] & 0x0f) | 0x70);  // version 7
    job.bytes[8] = static_cast<std::uint8_t>((job.bytes[8] & 0x3f) | 0x80);  // the RFC's variant
    return job;
}

std::string to_string(const PeerId& peer) {
    bool printable = std::all_of(peer.bytes.begin(), peer.bytes.end(),
                                 [](unsigned char c) { return std::isgraph(c); });
    if (printable) return peer.bytes;
    std::string text;
    for (char c : peer.bytes) {
        text += hex_digits[static_cast<unsigned char>(c) >> 4];
        text += hex_digits[static_cast<unsigned char>(c) & 15];
    }
    return text;
}

}  // namespace fanfold
