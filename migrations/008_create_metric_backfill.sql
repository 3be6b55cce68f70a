-- How far `burgee db adopt` has counted the metric rows that others wrote. docs/adoption.md tells the
-- whole way.
-- By hand: after 007, psql -v ON_ERROR_STOP=1 --single-transaction -f 008_create_metric_backfill.sql

-- One row a round. Round 1 counts the rows with neither spool_id nor lsn: all that were there when it
-- was opened. Opening round n also makes -n the default of ab_test_metrics.lsn, so that every row
-- others write from then on is known as not yet counted: it belongs to round n + 1. A constant
-- default needs no right of theirs and rewrites nothing.
CREATE TABLE IF NOT EXISTS burgee.metric_backfill (
    round integer PRIMARY KEY CHECK (round >= 1),
    opened_at timestamptz NOT NULL DEFAULT now(),
    -- The last row that was counted, in the order of (created_at, id); NULL: none yet. It moves in
    -- the transaction that merges what it passes.
    last_created_at timestamptz,
    last_id uuid,
    row_count bigint NOT NULL DEFAULT 0,     -- looked at; the counts below are parts of it
    folded bigint NOT NULL DEFAULT 0,        -- count for a result
    unknown bigint NOT NULL DEFAULT 0,       -- no such experiment, or no such variant of its flag
    without_unit bigint NOT NULL DEFAULT 0,  -- neither user_id nor session_id
    outside_dates bigint NOT NULL DEFAULT 0, -- not within [start_date, end_date)
    unusable bigint NOT NULL DEFAULT 0,      -- a value or a text beyond what is folded
    completed_at timestamptz
);

DO $$
DECLARE
    reading text;
BEGIN
    FOREACH reading IN ARRAY ARRAY['burgee_reader', 'burgee_owner'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = reading) THEN
            EXECUTE format('GRANT SELECT ON burgee.metric_backfill TO %I', reading);
        END IF;
    END LOOP;
END
$$;

INSERT INTO burgee.schema_version (version) VALUES (8) ON CONFLICT DO NOTHING;
