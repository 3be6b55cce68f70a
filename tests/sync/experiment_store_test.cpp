// Promise: experiments start, pause and end only as people may expect, and their data is by unit:
// each unit once, crossovers and unexposed units apart, sums that do not cancel. Method: a real
// server, few units whose every number can be worked out by hand, and a second computation in long
// double.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "sync/experiment_metrics.hpp"
#include "sync/experiment_store.hpp"
#include "sync/metric_writer.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::test {
namespace {

using sync::ExperimentChange;
using sync::ExperimentData;
using sync::ExperimentRow;
using sync::MetricMoments;
using sync::SyncErrorKind;
using sync::VariantData;

class ExperimentStoreTest : public PostgresTest {
protected:
    ExperimentStoreTest() {
        execute(
            "INSERT INTO public.feature_flags (name, status, rollout_percentage, variants) VALUES"
            " ('model', 'ab_test', 100, '[{\"name\":\"new\",\"weight\":40},"
            "                             {\"name\":\"control\",\"weight\":60}]'),"
            " ('plain', 'enabled', 100, '[]')");
    }

    ExperimentRow create(const std::string& name, const std::string& metrics = "[]") {
        const auto row = sync::create_experiment(session_, {.flag_name = "model",
                                                            .name = name,
                                                            .hypothesis = "it helps",
                                                            .success_metrics_json = metrics,
                                                            .days = 14,
                                                            .why = "because"});
        EXPECT_TRUE(row.has_value()) << row.error().message;
        return row.value();
    }

    SyncErrorKind refusal(const sync::NewExperiment& wanted) {
        const auto row = sync::create_experiment(session_, wanted);
        EXPECT_TRUE(row.has_error());
        return row.has_error() ? row.error().kind : SyncErrorKind::kInDoubt;
    }

    void track(const ExperimentRow& experiment, const std::string& variant,
               const std::string& metric, const std::string& user, double value) {
        source_.add(experiment.id, variant, metric, user, value, experiment.start_unix_ms + 1);
    }

    ExperimentData stored(const ExperimentRow& experiment) {
        sync::MetricWriter writer({.dsn = cluster_.dsn()}, {});
        const auto opened = writer.open_cursor(Uuid{1}, 1);
        const auto report = writer.write({Uuid{1}, opened.next_lsn, source_.end_lsn()}, source_);
        EXPECT_EQ(report.status, sync::WriteStatus::kCommitted) << report.error.message;
        EXPECT_EQ(report.dead_lettered, 0U);
        const auto data = sync::load_experiment_data(session_, experiment.name);
        EXPECT_TRUE(data.has_value()) << data.error().message;
        return data.value();
    }

    MemorySource source_;
};

TEST_F(ExperimentStoreTest, CreatesFindsAndLists) {
    const ExperimentRow created = create("first");
    EXPECT_EQ(created.status, "active");
    EXPECT_EQ(created.phase, 1U);
    EXPECT_THAT(created.variants, ::testing::ElementsAre("new", "control"));
    EXPECT_EQ(created.end_unix_ms.value() - created.start_unix_ms, 14 * 86'400'000);
    EXPECT_EQ(sync::find_experiment(session_, "first").value().id, created.id);
    EXPECT_EQ(sync::find_experiment(session_, sync::to_text(created.id)).value().name, "first");
    EXPECT_EQ(sync::list_experiments(session_).value().size(), 1U);
    EXPECT_EQ(sync::list_experiments(session_, "paused").value().size(), 0U);
    EXPECT_EQ(sync::find_experiment(session_, "second").error().kind, SyncErrorKind::kNotFound);
    EXPECT_EQ(value("SELECT why FROM burgee.flag_history WHERE kind = 'experiment'"), "because");
}

TEST_F(ExperimentStoreTest, RefusesWhatCouldNotBeJudged) {
    EXPECT_EQ(refusal({.flag_name = "none", .name = "x"}), SyncErrorKind::kNotFound);
    EXPECT_EQ(refusal({.flag_name = "plain", .name = "x"}), SyncErrorKind::kInvalid);
    EXPECT_EQ(refusal({.flag_name = "model", .name = {}}), SyncErrorKind::kInvalid);
    EXPECT_EQ(refusal({.flag_name = "model", .name = "x", .days = 0}), SyncErrorKind::kInvalid);
    EXPECT_EQ(refusal({.flag_name = "model", .name = "x", .days = std::nan("")}),
              SyncErrorKind::kInvalid);
    EXPECT_EQ(refusal({.flag_name = "model", .name = "x", .success_metrics_json = "{}"}),
              SyncErrorKind::kInvalid);
    create("first");
    EXPECT_EQ(refusal({.flag_name = "model", .name = "x"}), SyncErrorKind::kInvalid)
        << "one active experiment a flag";
}

TEST_F(ExperimentStoreTest, PausesResumesAndEndsOnce) {
    create("first");
    const auto change = [this](ExperimentChange wanted) {
        const auto row = sync::change_experiment(session_, "first", wanted, "why");
        return row.has_value() ? row->status : "refused";
    };
    EXPECT_EQ(change(ExperimentChange::kResume), "refused");
    EXPECT_EQ(change(ExperimentChange::kPause), "paused");
    EXPECT_EQ(change(ExperimentChange::kPause), "refused");
    EXPECT_EQ(change(ExperimentChange::kResume), "active");
    EXPECT_FALSE(sync::load_experiment_data(session_, "first").value().was_stopped_early);
    EXPECT_EQ(change(ExperimentChange::kComplete), "completed");
    EXPECT_TRUE(sync::load_experiment_data(session_, "first").value().was_stopped_early);
    EXPECT_EQ(change(ExperimentChange::kCancel), "refused");
    EXPECT_EQ(value("SELECT end_date <= now() FROM public.ab_test_experiments"), "t");
    create("next");
    EXPECT_EQ(sync::list_experiments(session_, "active").value().size(), 1U);
}

TEST_F(ExperimentStoreTest, ADryRunTellsTheChangeAndKeepsNothing) {
    const auto tried = sync::create_experiment(session_, {.flag_name = "model", .name = "tried"},
                                               sync::WriteMode::kDryRun);
    ASSERT_TRUE(tried) << tried.error().message;
    EXPECT_EQ(tried->status, "active");
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_experiments"), "0");
    create("real");
    const auto paused = sync::change_experiment(session_, "real", ExperimentChange::kPause, "",
                                                sync::WriteMode::kDryRun);
    ASSERT_TRUE(paused) << paused.error().message;
    EXPECT_EQ(paused->status, "paused");
    EXPECT_EQ(sync::find_experiment(session_, "real").value().status, "active");
    EXPECT_TRUE(sync::change_experiment(session_, "real", ExperimentChange::kResume, "",
                                        sync::WriteMode::kDryRun)
                    .has_error());
}

TEST_F(ExperimentStoreTest, CountsUnitsNotEventsAndLeavesOutWhoCannotBeCompared) {
    const ExperimentRow experiment = create("first");
    for (int repeat = 0; repeat < 3; ++repeat) {
        track(experiment, "control", "impression", "a", 1);  // exposed, converts
        track(experiment, "control", "conversion", "a", 1);
    }
    track(experiment, "control", "impression", "b", 1);
    track(experiment, "control", "conversion", "b", 0);  // not a conversion: sum is 0
    track(experiment, "new", "impression", "c", 1);
    track(experiment, "new", "error", "c", 1);
    track(experiment, "new", "conversion", "d", 1);  // never exposed
    track(experiment, "new", "impression", "e", 1);  // crosses over
    track(experiment, "control", "impression", "e", 1);
    track(experiment, "control", "conversion", "e", 1);
    track(experiment, "new", "impression", "f", 1);  // by hand
    source_.events().back().in_experiment = false;
    track(experiment, "new", "impression", "", 1);  // nobody
    source_.events().back().unit_source = sync::UnitSource::kNone;

    const ExperimentData data = stored(experiment);
    ASSERT_EQ(data.variants.size(), 2U);
    const VariantData& control = data.variants[0];
    const VariantData& treatment = data.variants[1];
    EXPECT_EQ(control.name, "control") << "the one named so, although listed second";
    EXPECT_TRUE(control.is_control);
    EXPECT_EQ(control.weight, 60);
    EXPECT_EQ(control.exposed_units, 2U);
    EXPECT_EQ(control.converted_units, 1U);
    EXPECT_EQ(control.impressions, 5U);
    EXPECT_EQ(control.conversions, 5U);
    EXPECT_EQ(treatment.exposed_units, 1U);
    EXPECT_EQ(treatment.error_units, 1U);
    EXPECT_EQ(treatment.unexposed_units, 1U);
    EXPECT_EQ(treatment.by_hand_units, 1U);
    EXPECT_EQ(treatment.by_hand_events, 1U);
    EXPECT_EQ(data.crossover_units, 1U);
    EXPECT_EQ(data.crossover_events, 3U);
    EXPECT_EQ(data.no_unit_events, 1U);
}

TEST_F(ExperimentStoreTest, ComputesMomentsThatDoNotCancel) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::normal_distribution<double> latency(1e8,
                                             1);  // a naive sum of squares keeps no digit of this
    const ExperimentRow experiment = create("first");
    std::map<std::string, std::pair<long double, long double>> units;  // sum, count
    for (int user = 0; user < 500; ++user) {
        const std::string name = "user-" + std::to_string(user);
        track(experiment, "control", "impression", name, 1);
        for (unsigned count = 0; count <= random() % 3; ++count) {
            const double value = latency(random);
            track(experiment, "control", "latency", name, value);
            units[name].first += value;
            units[name].second += 1;
        }
    }
    const ExperimentData data = stored(experiment);
    ASSERT_EQ(data.variants[0].metrics.size(), 1U);
    const MetricMoments& moments = data.variants[0].metrics[0];
    long double sum_m = 0;
    long double sum_d = 0;
    for (const auto& [name, unit] : units) {
        sum_m += unit.first;
        sum_d += unit.second;
    }
    const long double mean_m = sum_m / 500;
    const long double mean_d = sum_d / 500;
    const long double slope = mean_m / mean_d;
    long double ratio_variance =
        0;  // what the ratio's delta method needs, where cancelling would show
    for (const auto& [name, unit] : units) {
        const long double residual = (unit.first - mean_m) - slope * (unit.second - mean_d);
        ratio_variance += residual * residual;
    }
    EXPECT_EQ(moments.units, 500U);
    EXPECT_NEAR(moments.sum_m, static_cast<double>(sum_m), 1e-9 * moments.sum_m);
    EXPECT_EQ(moments.sum_d, static_cast<double>(sum_d));
    const auto mm = static_cast<long double>(moments.centred_mm);
    const auto md = static_cast<long double>(moments.centred_md);
    const auto dd = static_cast<long double>(moments.centred_dd);
    // The three terms are near 5e18 each and leave about 1e3: 1e-9 of them is what float8 can
    // promise.
    EXPECT_NEAR(static_cast<double>(mm - 2 * slope * md + slope * slope * dd),
                static_cast<double>(ratio_variance), 1e-12 * moments.centred_mm);
    EXPECT_LT(std::abs(moments.value_min - 1e8), 10);
}

TEST_F(ExperimentStoreTest, CountsUnitsWithoutTheMetricAsZeroInADeclaredTotal) {
    const ExperimentRow experiment =
        create("first", R"([{"name": "revenue", "aggregation": "total"}, "conversion"])");
    for (const char* user : {"a", "b", "c", "d"}) {
        track(experiment, "control", "impression", user, 1);
    }
    track(experiment, "control", "revenue", "a", 6);
    track(experiment, "control", "revenue", "a", 2);
    const ExperimentData data = stored(experiment);
    const MetricMoments& revenue = data.variants[0].metrics.at(0);
    EXPECT_TRUE(revenue.is_total);
    EXPECT_EQ(revenue.units, 4U);
    EXPECT_EQ(revenue.sum_m, 8);
    EXPECT_EQ(revenue.centred_mm, 48) << "mean 2: 6^2 + 3 * 2^2";
}

TEST_F(ExperimentStoreTest, KeepsResultsWhereOldAndNewUsersLook) {
    const ExperimentRow experiment = create("first");
    ASSERT_TRUE(sync::store_results(session_, experiment.id, 1, R"({"verdict": "better"})"));
    EXPECT_EQ(value("SELECT results ->> 'verdict' FROM burgee.experiment_results"), "better");
    EXPECT_EQ(value("SELECT results ->> 'verdict' FROM public.ab_test_experiments"), "better");
    EXPECT_EQ(sync::store_results(session_, Uuid{9}, 1, "{}").error().kind,
              SyncErrorKind::kNotFound);
}

TEST(UuidTextTest, ReadsWhatItWritesAndNothingElse) {
    const Uuid id{0x01, 0x89, 0xF7, 0xC2, 0xAB};
    EXPECT_EQ(sync::parse_uuid(sync::to_text(id)), id);
    EXPECT_EQ(sync::parse_uuid("0189F7C2-AB00-0000-0000-000000000000"), id);
    for (const char* bad : {"", "0189f7c2", "0189f7c2-ab00-0000-0000-00000000000g",
                            "0189f7c2xab00-0000-0000-000000000000"}) {
        EXPECT_EQ(sync::parse_uuid(bad), std::nullopt) << bad;
    }
}

}  // namespace
}  // namespace burgee::test
