// The outbox: what one thread adds, while another takes what lies. Blocks must hold each fragment
// once, in order, with true cuts.
#include "scatterer/client/outbox.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "shared/wire/codec.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;

namespace {

const JobId job = make_job_id(std::chrono::milliseconds(1'700'000'000'000), 1, 2);

struct Posting {
    explicit Posting(std::uint64_t block_bytes = 1 << 16, std::uint64_t credit = UINT64_MAX / 2)
        : outbox(OpenJob{.job = job, .token = 1, .spec = {}, .collect = {}},
                 {.payload_bytes = 1 << 20, .block_bytes = block_bytes}, credit,
                 {.post = [this](std::vector<Event> events) { take(std::move(events)); },
                  .look_soon = [this] { ++looks_wanted; },
                  .while_waiting = [] {},
                  .inbox = inbox}) {}

    /// Called under the outbox's mutex: one at a time.
    void take(std::vector<Event> events) {
        for (Event& event : events) {
            auto* append = std::get_if<AppendBlock>(&event);
            if (!append) continue;
            check(append->block);
            total = append->total;
        }
    }
    void check(const PackedBlock& block) {
        REQUIRE(block.first == end);
        end = block.end();
        REQUIRE(block.cuts.size() ==
                (block.count == 0 ? 0 : (block.count - 1) / scatterer::limits::cut_stride * 4));
        for (std::uint32_t at = scatterer::limits::cut_stride; at < block.count;
             at += scatterer::limits::cut_stride) {
            std::uint32_t cut = 0;
            std::size_t place = (at / scatterer::limits::cut_stride - 1) * 4;
            for (unsigned i = 4; i-- > 0;)
                cut = cut << 8 | static_cast<unsigned char>(block.cuts[place + i]);
            REQUIRE(wire::objects_length(block.body.view(), at) == cut);
        }
        std::string_view rest = block.body.view();
        for (Index index = block.first; index < block.end(); ++index) {
            std::size_t length = wire::object_length(rest).value();
            REQUIRE(wire::text_of(rest.substr(0, length)) == text_of(index));
            rest.remove_prefix(length);
        }
        REQUIRE(rest.empty());
        ++blocks;
    }
    static std::string text_of(Index index) {
        return std::string(index % 40, 'x') + std::to_string(index);
    }

    Index end = 0;
    std::uint64_t blocks = 0;
    std::optional<std::uint64_t> total;
    std::atomic<int> looks_wanted = 0;
    std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
    Outbox outbox;
};

}  // namespace

TEST_CASE("what one thread adds while another looks comes once, in order") {
    Posting posting;
    std::atomic<bool> done = false;
    std::thread looking([&] {
        while (!done) (void)posting.outbox.look();
    });
    constexpr Index count = 50'000;
    for (Index index = 0; index < count; ++index) posting.outbox.add_text(Posting::text_of(index));
    posting.outbox.seal();
    done = true;
    looking.join();
    CHECK(posting.end == count);
    if (posting.total) CHECK(*posting.total == count);
}

TEST_CASE(
    "a lone fragment leaves at the first look after it was asked for; two idle looks end the "
    "looking") {
    Posting posting;
    posting.outbox.add_text(Posting::text_of(0));
    CHECK(posting.looks_wanted == 1);
    CHECK(posting.outbox.look());
    CHECK(posting.end == 1);
    CHECK(posting.outbox.look());
    CHECK_FALSE(posting.outbox.look());
    posting.outbox.add_text(Posting::text_of(1));
    CHECK(posting.looks_wanted == 2);
    CHECK(posting.outbox.look());
    CHECK(posting.end == 2);
}

TEST_CASE(
    "what was added since the look before stays for the next one, and a full block is new at "
    "each") {
    Posting posting(200);
    posting.outbox.add_text(Posting::text_of(0));
    CHECK(posting.outbox.look());
    CHECK(posting.end == 1);
    posting.outbox.add_text(Posting::text_of(1));
    CHECK(posting.looks_wanted == 1);
    CHECK(posting.outbox.look());
    CHECK(posting.end == 1);
    CHECK(posting.outbox.look());
    CHECK(posting.end == 2);
    for (Index index = 2; index < 30; ++index) posting.outbox.add_text(Posting::text_of(index));
    CHECK(posting.end > 2);
    Index before = posting.end;
    CHECK(posting.outbox.look());
    CHECK(posting.end == before);
    posting.outbox.flush();
    CHECK(posting.end == 30);
}

TEST_CASE("a thread that waits sends what it has added itself, and only that") {
    Posting posting;
    std::thread([&] { posting.outbox.add_text(Posting::text_of(0)); }).join();
    posting.outbox.flush_own();
    CHECK(posting.end == 0);
    posting.outbox.flush();
    posting.outbox.add_text(Posting::text_of(1));
    posting.outbox.flush_own();
    CHECK(posting.end == 2);
}

TEST_CASE("nothing is taken past the credit while it lies, and the seal follows what was taken") {
    Posting posting(1 << 16, 0);
    std::uint64_t bytes = 0;
    Index index = 0;
    for (; bytes < (std::uint64_t{2} << 20) + 100; ++index) {
        posting.outbox.add_text(Posting::text_of(index));
        bytes += wire::pack_text(Posting::text_of(index)).size();
        if (index % 1000 == 999) {
            (void)posting.outbox.look();
            (void)posting.outbox.look();
        }
        if (bytes > (std::uint64_t{2} << 20) - 4000) break;
    }
    posting.outbox.flush();
    Index sent = posting.end;
    CHECK(sent == index + 1);
    posting.inbox->allow(1 << 20);
    posting.outbox.seal();
    CHECK(posting.end == index + 1);
    CHECK_THROWS(posting.outbox.add_text("late"));
}
