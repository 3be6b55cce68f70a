-- The three tables that flags and experiments live in. Harmless on a database that has them already:
-- everything is created only where it is missing, and nothing that exists is altered.
-- By hand: psql -v ON_ERROR_STOP=1 --single-transaction -f 004_create_feature_flags_tables.sql

CREATE TABLE IF NOT EXISTS public.feature_flags (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text UNIQUE NOT NULL,
    description text,
    status text NOT NULL
        CHECK (status IN ('disabled', 'enabled', 'gradual_rollout', 'ab_test', 'canary')),
    rollout_percentage double precision DEFAULT 0
        CHECK (rollout_percentage >= 0 AND rollout_percentage <= 100),
    segments jsonb DEFAULT '{}',
    variants jsonb DEFAULT '[]',
    metadata jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    expires_at timestamptz
);

CREATE INDEX IF NOT EXISTS idx_feature_flags_name ON public.feature_flags (name);
CREATE INDEX IF NOT EXISTS idx_feature_flags_status ON public.feature_flags (status);
CREATE INDEX IF NOT EXISTS idx_feature_flags_expires ON public.feature_flags (expires_at)
    WHERE expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_feature_flags_updated ON public.feature_flags (updated_at);

CREATE TABLE IF NOT EXISTS public.ab_test_experiments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    feature_flag_id uuid REFERENCES public.feature_flags (id) ON DELETE CASCADE,
    name text NOT NULL,
    hypothesis text,
    success_metrics jsonb DEFAULT '[]',
    start_date timestamptz DEFAULT now(),
    end_date timestamptz,
    status text DEFAULT 'active' CHECK (status IN ('active', 'paused', 'completed', 'cancelled')),
    results jsonb,
    created_at timestamptz DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_experiments_flag ON public.ab_test_experiments (feature_flag_id);
CREATE INDEX IF NOT EXISTS idx_experiments_status ON public.ab_test_experiments (status);
CREATE INDEX IF NOT EXISTS idx_experiments_dates ON public.ab_test_experiments (start_date, end_date);
CREATE INDEX IF NOT EXISTS idx_experiments_created ON public.ab_test_experiments (created_at);

-- Hot: no primary key and no foreign key, because each would cost half of what COPY can write; who
-- writes it checks experiment and variant first.
CREATE TABLE IF NOT EXISTS public.ab_test_metrics (
    id uuid DEFAULT gen_random_uuid(),
    experiment_id uuid,
    variant_name text NOT NULL,
    user_id text,
    session_id text,
    metric_type text NOT NULL,
    metric_value double precision NOT NULL,
    metadata jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now()
) PARTITION BY RANGE (created_at);

DO $$
BEGIN
    -- A table that was there before is not partitioned and keeps the indexes it has.
    IF EXISTS (SELECT FROM pg_catalog.pg_partitioned_table
               WHERE partrelid = 'public.ab_test_metrics'::regclass) THEN
        -- Takes what no day's partition takes, so that no event is ever refused.
        CREATE TABLE IF NOT EXISTS public.ab_test_metrics_default
            PARTITION OF public.ab_test_metrics DEFAULT;
        -- BRIN: a B-tree here halves what COPY can write and serves no read of ours.
        CREATE INDEX IF NOT EXISTS idx_metrics_experiment
            ON public.ab_test_metrics USING brin (experiment_id, variant_name);
        CREATE INDEX IF NOT EXISTS idx_metrics_time ON public.ab_test_metrics USING brin (created_at);
    END IF;
END
$$;

-- updated_at says when a row was last changed, whoever changed it.
CREATE OR REPLACE FUNCTION public.feature_flags_touch() RETURNS trigger
    LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    NEW.updated_at := pg_catalog.now();
    RETURN NEW;
END
$$;

DO $$
BEGIN
    -- An existing database has such a trigger under a name of its own: one is enough.
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger
                   WHERE tgrelid = 'public.feature_flags'::regclass AND NOT tgisinternal
                     AND tgname LIKE '%updated_at%') THEN
        CREATE TRIGGER feature_flags_updated_at BEFORE UPDATE ON public.feature_flags
            FOR EACH ROW EXECUTE FUNCTION public.feature_flags_touch();
    END IF;
END
$$;
