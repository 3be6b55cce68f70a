#pragma once

// The three tables as the Python system creates them: plain tables, foreign keys, B-tree indexes,
// an updated_at trigger of its own, and nothing of ours.

namespace burgee::test {

inline constexpr const char* kFormerTables = R"sql(
CREATE TABLE feature_flags (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name TEXT UNIQUE NOT NULL,
    description TEXT,
    status TEXT NOT NULL CHECK (status IN
        ('disabled', 'enabled', 'gradual_rollout', 'ab_test', 'canary')),
    rollout_percentage FLOAT DEFAULT 0 CHECK (rollout_percentage >= 0 AND rollout_percentage <= 100),
    segments JSONB DEFAULT '{}',
    variants JSONB DEFAULT '[]',
    metadata JSONB DEFAULT '{}',
    created_at TIMESTAMPTZ DEFAULT NOW(),
    updated_at TIMESTAMPTZ DEFAULT NOW(),
    expires_at TIMESTAMPTZ
);
CREATE INDEX idx_feature_flags_name ON feature_flags (name);
CREATE INDEX idx_feature_flags_status ON feature_flags (status);
CREATE TABLE ab_test_experiments (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    feature_flag_id UUID REFERENCES feature_flags (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hypothesis TEXT,
    success_metrics JSONB DEFAULT '[]',
    start_date TIMESTAMPTZ DEFAULT NOW(),
    end_date TIMESTAMPTZ,
    status TEXT DEFAULT 'active' CHECK (status IN ('active', 'paused', 'completed', 'cancelled')),
    results JSONB,
    created_at TIMESTAMPTZ DEFAULT NOW()
);
CREATE TABLE ab_test_metrics (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    experiment_id UUID REFERENCES ab_test_experiments (id) ON DELETE CASCADE,
    variant_name TEXT NOT NULL,
    user_id TEXT,
    session_id TEXT,
    metric_type TEXT NOT NULL,
    metric_value FLOAT NOT NULL,
    metadata JSONB DEFAULT '{}',
    created_at TIMESTAMPTZ DEFAULT NOW()
);
CREATE INDEX idx_metrics_experiment ON ab_test_metrics (experiment_id, variant_name);
CREATE INDEX idx_metrics_time ON ab_test_metrics (created_at);
CREATE INDEX idx_metrics_type ON ab_test_metrics (metric_type);
CREATE INDEX idx_metrics_user ON ab_test_metrics (user_id);
CREATE INDEX idx_metrics_session ON ab_test_metrics (session_id);
CREATE FUNCTION update_updated_at_column() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END
$$;
CREATE TRIGGER update_feature_flags_updated_at BEFORE UPDATE ON feature_flags
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
)sql";

}  // namespace burgee::test
