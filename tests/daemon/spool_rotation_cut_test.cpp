// Promise: a power cut in the middle of anything the spool does costs nothing that was promised:
// not in a write or a sync alone, but in beginning, readying, recycling and removing segments and
// in taking another id. Method: a disk of which the n-th step, of whatever kind, is the last; lives
// that are full of all this. An event's number is its LSN, so that whatever is missing, double,
// foreign or out of place shows in one comparison.

#include <array>
#include <iostream>

#include "power_cut_disk.hpp"
#include "spool_events.hpp"
#include "tests/fault/fault_count.hpp"

namespace burgee::test {
namespace {

using daemon::Spool;
using daemon::SpoolBatch;
using daemon::SpoolIdChange;

constexpr std::uint64_t kNumberBase = 1'000'000'000;  // of session 1, in event_number()

/// What is known for sure, and what a step that was cut off left open.
struct Identity {
    daemon::SpoolId id{};
    std::optional<SpoolIdChange> pending;
    bool is_known = false;         ///< false: no life has seen an id yet
    bool may_be_proposed = false;  ///< cut off while a new id was noted
    bool may_be_adopted = false;   ///< cut off while the pending one was adopted
};

class Host {
public:
    explicit Host(std::uint64_t seed) : random_(seed), disk_(seed) {
        options_.segment_size_bytes = 1 << 20;
        options_.replay_window_bytes = 0;
        if (random_() % 2 == 0) {  // what is delivered stays until the cap wants its room
            options_.cap_bytes = 4 << 20;
            options_.replay_window_bytes = 16 << 20;
        }
    }

    void start() {
        spool_.reset();
        auto opened = Spool::open(disk_.attach(), options_);
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
        ASSERT_NO_FATAL_FAILURE(check_identity());
        next_seq_ = 1;
        for (const auto& session : spool_->sessions()) {
            next_seq_ = session.last_seq + 1;
        }
        ASSERT_EQ(next_seq_, spool_->durable_end_lsn()) << "what the client will send next";
        ASSERT_GT(next_seq_, acknowledged_seq_) << "acknowledged and gone";
        ASSERT_LE(next_seq_, sent_seq_ + 1) << "never sent";
        segments_begun_ = 0;
        ASSERT_NO_FATAL_FAILURE(check_events());
        spool_->release(cursor_);
    }

    /// One life, ended by a cut in a step of its own or, should it get so far, at its end.
    void live(std::uint64_t last_step) {
        disk_.die_at(last_step);
        for (int deed = 0; deed < 20 && !disk_.died_in(); ++deed) {
            const std::uint64_t die = random_() % 20;
            if (die < 14) {
                store();
            } else if (die < 16) {
                (void)spool_->tick();
            } else if (die < 18) {
                deliver_some();
            } else if (die < 19) {
                propose();
            } else {
                adopt();
            }
            spool_->prepare_ahead();
        }
    }

    void lose_power() {
        spool_.reset();
        disk_.cut(random_() % 2 == 0 ? 512 : 4096);
    }

    std::optional<DiskStep> died_in() const { return disk_.died_in(); }
    std::uint64_t segments_begun() const { return segments_begun_; }
    bool has_new_id() const { return ids_taken_ > 0; }

private:
    void store() {
        const std::string segment = newest_segment();
        const auto batches = 1 + random_() % 6;
        const std::uint64_t first_seq = next_seq_;
        for (std::uint64_t index = 0; index < batches; ++index) {
            const auto count = static_cast<std::uint32_t>(100 + random_() % 700);
            const auto events = make_events(1, next_seq_, count);
            ASSERT_TRUE(spool_->stage(make_batch(1, next_seq_, count, events)));
            next_seq_ += count;
        }
        sent_seq_ = std::max(sent_seq_, next_seq_ - 1);
        if (random_() % 3 == 0) {
            (void)spool_->write();
        }
        if (spool_->commit()) {
            acknowledged_seq_ = next_seq_ - 1;
            segments_begun_ += newest_segment() != segment ? 1U : 0U;
        } else {
            next_seq_ = first_seq;
        }
    }

    /// Its name is the number of its first event; other files have names of other lengths.
    std::string newest_segment() {
        std::string newest;
        for (const auto& [name, file] : disk_.files()) {
            newest = name.size() == 20 ? std::max(newest, name) : newest;
        }
        return newest;
    }

    void deliver_some() {
        const std::uint64_t end = spool_->durable_end_lsn();
        cursor_ += random_() % (end - cursor_ + 1);
        spool_->release(cursor_);
    }

    void propose() {
        if (const auto change = spool_->propose_id(cursor_)) {
            identity_.pending = *change;
        } else {
            identity_.may_be_proposed = true;
        }
    }

    void adopt() {
        if (!spool_->pending_id_change()) {
            return;
        }
        if (spool_->adopt_id()) {
            identity_.id = identity_.pending->id;
            identity_.pending.reset();
            ++ids_taken_;
        } else {
            identity_.may_be_adopted = true;
        }
    }

    void check_identity() {
        const auto pending = spool_->pending_id_change();
        const bool is_the_old_one = !identity_.is_known || spool_->spool_id() == identity_.id;
        if (!is_the_old_one) {
            ASSERT_TRUE(identity_.may_be_adopted) << "another id, and nobody took it";
            ASSERT_EQ(spool_->spool_id(), identity_.pending->id);
            ASSERT_FALSE(pending) << "adopted, and still to be";
        } else if (identity_.pending && !identity_.may_be_proposed) {
            ASSERT_TRUE(pending) << "the note of the new id is gone";
            ASSERT_EQ(pending->id, identity_.pending->id);
            ASSERT_EQ(pending->first_lsn, identity_.pending->first_lsn);
        } else if (!identity_.may_be_proposed) {
            ASSERT_FALSE(pending) << "a note that nobody wrote";
        }
        identity_ = {spool_->spool_id(), pending, true, false, false};
    }

    void check_events() {
        ASSERT_LE(spool_->oldest_lsn(), cursor_) << "given up before it was delivered";
        std::uint64_t lsn = cursor_;
        while (lsn < spool_->durable_end_lsn()) {
            ASSERT_TRUE(spool_->read(lsn, {}, batch_));
            ASSERT_TRUE(batch_.gaps.empty()) << "a cut taken for damage";
            ASSERT_GT(batch_.end_lsn, lsn);
            batch_.for_each_event([&](std::uint64_t at, std::span<const std::byte> event) {
                EXPECT_EQ(at, lsn);
                EXPECT_EQ(event_number(event), kNumberBase + at);
                lsn = at + 1;
            });
            ASSERT_EQ(lsn, batch_.end_lsn);
        }
        EXPECT_EQ(spool_->statistics().events_lost, 0U);
    }

    std::mt19937_64 random_;
    PowerCutDisk disk_;
    daemon::SpoolOptions options_;
    std::unique_ptr<Spool> spool_;
    SpoolBatch batch_;
    Identity identity_;
    std::uint64_t cursor_ = 1;  ///< where PostgreSQL stands: its own disk, never cut here
    std::uint64_t next_seq_ = 1;
    std::uint64_t sent_seq_ = 0;
    std::uint64_t acknowledged_seq_ = 0;
    std::uint64_t segments_begun_ = 0;
    std::uint64_t ids_taken_ = 0;
};

TEST(SpoolRotationCutTest, LosesNothingInWhateverStepItIsCutOff) {
    // The same one always, so that the counts below are no matter of luck.
    const std::uint64_t seed = count_from_environment("BURGEE_FAULT_SEED", 20'240'607);
    std::cout << "seed " << seed << '\n';
    const std::uint64_t wanted =
        std::max<std::uint64_t>(400, count_from_environment("BURGEE_FAULT_CUTS", 10'000) / 10);
    std::mt19937_64 random(seed);
    std::array<std::uint64_t, kDiskStepCount> cuts{};
    std::uint64_t with_rotation = 0;
    std::uint64_t with_new_id = 0;
    std::uint64_t cut = 0;
    while (cut < wanted) {
        Host host(seed + cut);
        for (int life = 0; life < 6 && cut < wanted; ++life, ++cut) {
            SCOPED_TRACE("cut " + std::to_string(cut));
            ASSERT_NO_FATAL_FAILURE(host.start());
            // Lives are short and long, so that their beginnings are met as often as their ends.
            ASSERT_NO_FATAL_FAILURE(host.live(random() % (8U << random() % 5)));
            if (const auto step = host.died_in()) {
                ++cuts[static_cast<std::size_t>(*step)];
            }
            with_rotation += host.segments_begun() > 0 ? 1U : 0U;
            host.lose_power();
        }
        ASSERT_NO_FATAL_FAILURE(host.start());
        with_new_id += host.has_new_id() ? 1U : 0U;
    }
    std::cout << "ran " << cut << " of " << wanted << " power cuts in any step: write " << cuts[0]
              << ", sync " << cuts[1] << ", allocate " << cuts[2] << ", create " << cuts[3]
              << ", rename " << cuts[4] << ", remove " << cuts[5] << ", names " << cuts[6] << "; "
              << with_rotation << " after a rotation, " << with_new_id << " hosts took new ids\n";
    for (std::size_t step = 0; step < cuts.size(); ++step) {
        EXPECT_GT(cuts[step], 0U) << "no cut in steps of kind " << step;
    }
    EXPECT_GE(with_rotation * 5, wanted);
    EXPECT_GT(with_new_id, 0U);
}

}  // namespace
}  // namespace burgee::test
