// Promise: a draft that cannot be an event is refused with its reason, and each event is given the
// class by which it lives when room is short. Method: change one thing of a good draft at a time.

#include <burgee/event_encoder.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

namespace burgee::test {
namespace {

class ExposureFilterTest : public ::testing::Test {
protected:
    std::unique_ptr<detail::ExposureFilter> filter_ = std::make_unique<detail::ExposureFilter>();

    static EventDraft impression_of(std::string_view user) {
        EventDraft draft;
        draft.experiment_id[0] = 1;
        draft.variant = "control";
        draft.metric = "impression";
        draft.user_id = user;
        draft.unit_kind = UnitKind::kUserId;
        return draft;
    }
    EventClass offer(const EventDraft& draft) {
        std::uint64_t first = 0;
        const EventClass event_class = detail::classify(draft, *filter_, first);
        if (first != 0) {
            filter_->remember(first);
        }
        return event_class;
    }
};

TEST_F(ExposureFilterTest, TakesTheFirstImpressionOfAUnitAsItsExposure) {
    EventDraft draft = impression_of("u1");
    EXPECT_EQ(offer(draft), EventClass::kExposure);
    EXPECT_EQ(offer(draft), EventClass::kOrdinary);
    draft.user_id = "u2";
    EXPECT_EQ(offer(draft), EventClass::kExposure);
    draft.variant = "treatment";
    EXPECT_EQ(offer(draft), EventClass::kExposure);
    draft.phase = 2;
    EXPECT_EQ(offer(draft), EventClass::kExposure);
    draft.experiment_id[3] = 9;
    EXPECT_EQ(offer(draft), EventClass::kExposure);
    draft.session_id = "u2";
    draft.unit_kind = UnitKind::kSessionId;
    EXPECT_EQ(offer(draft), EventClass::kExposure);
    EXPECT_EQ(offer(draft), EventClass::kOrdinary);
}

TEST_F(ExposureFilterTest, KnowsTheOtherClassesByTheirMetric) {
    EventDraft draft = impression_of("u1");
    draft.unit_kind = UnitKind::kNone;
    EXPECT_EQ(offer(draft), EventClass::kOrdinary) << "without a unit nobody was exposed";
    draft.metric = "conversion";
    EXPECT_EQ(offer(draft), EventClass::kConversion);
    draft.metric = "error";
    EXPECT_EQ(offer(draft), EventClass::kError);
    draft.metric = "response_time_ms";
    EXPECT_EQ(offer(draft), EventClass::kOrdinary);
}

TEST(EventEncoderTest, NamesTheReasonAgainstEachBadDraft) {
    const std::string long_text(kEventTextSizeMax + 1, 'x');
    const std::string limit_text(kEventTextSizeMax, 'x');
    const std::string long_metadata(kMetadataSizeMax + 1, ' ');
    const auto check = [](auto&& change) {
        EventDraft draft;
        draft.experiment_id[0] = 1;
        draft.variant = "control";
        draft.metric = "score";
        change(draft);
        DropReason reason{};
        return detail::is_sendable(draft, reason) ? -1 : static_cast<int>(reason);
    };
    constexpr int kGood = -1;
    constexpr int kInvalid = static_cast<int>(DropReason::kInvalid);
    constexpr int kTooBig = static_cast<int>(DropReason::kTooBig);
    EXPECT_EQ(check([](EventDraft&) {}), kGood);
    EXPECT_EQ(check([](EventDraft& draft) { draft.experiment_id = {}; }),
              static_cast<int>(DropReason::kNoExperiment));
    EXPECT_EQ(check([](EventDraft& draft) { draft.variant = {}; }), kInvalid);
    EXPECT_EQ(check([](EventDraft& draft) { draft.metric = {}; }), kInvalid);
    for (const double value : {std::numeric_limits<double>::quiet_NaN(),
                               std::numeric_limits<double>::infinity(), -HUGE_VAL}) {
        EXPECT_EQ(check([&](EventDraft& draft) { draft.value = value; }), kInvalid);
    }
    for (const double value : {std::numeric_limits<double>::max(), -0.0,
                               std::numeric_limits<double>::denorm_min()}) {
        EXPECT_EQ(check([&](EventDraft& draft) { draft.value = value; }), kGood);
    }
    EXPECT_EQ(check([](EventDraft& draft) { draft.unit_kind = UnitKind::kUserId; }), kInvalid);
    EXPECT_EQ(check([&](EventDraft& draft) { draft.variant = limit_text; }), kGood);
    EXPECT_EQ(check([&](EventDraft& draft) { draft.variant = long_text; }), kTooBig);
    EXPECT_EQ(check([&](EventDraft& draft) { draft.metric = long_text; }), kTooBig);
    EXPECT_EQ(check([&](EventDraft& draft) { draft.user_id = long_text; }), kTooBig);
    EXPECT_EQ(check([&](EventDraft& draft) { draft.session_id = long_text; }), kTooBig);
    EXPECT_EQ(check([&](EventDraft& draft) { draft.metadata = long_metadata; }), kTooBig);
}

}  // namespace
}  // namespace burgee::test
