-- What experiments need beside their rows: audiences, layers, phases, state by unit, results; and what
-- the upload of events needs: cursors, dead letters, hosts.
-- By hand: after 005, psql -v ON_ERROR_STOP=1 --single-transaction -f 006_create_experiment_tables.sql

-- Where an event of ours came from, so that every row can be audited; NULL in rows others wrote.
ALTER TABLE public.ab_test_metrics ADD COLUMN IF NOT EXISTS spool_id uuid;
ALTER TABLE public.ab_test_metrics ADD COLUMN IF NOT EXISTS lsn bigint;
ALTER TABLE public.ab_test_metrics ADD COLUMN IF NOT EXISTS unit bigint;

-- Named, reusable audiences.
CREATE TABLE IF NOT EXISTS burgee.segments (
    name text PRIMARY KEY,
    description text,
    constraints jsonb NOT NULL DEFAULT '[]',
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A layer has 10 000 slots; a slot belongs to one experiment, so two can never overlap.
CREATE TABLE IF NOT EXISTS burgee.layers (
    name text PRIMARY KEY,
    description text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS burgee.layer_slots (
    layer text NOT NULL REFERENCES burgee.layers (name) ON UPDATE CASCADE ON DELETE CASCADE,
    slot integer NOT NULL CHECK (slot BETWEEN 0 AND 9999),
    flag_id uuid NOT NULL REFERENCES public.feature_flags (id) ON DELETE CASCADE,
    PRIMARY KEY (layer, slot)
);

-- A new phase whenever units may change sides. An experiment without a row is in phase 1.
CREATE TABLE IF NOT EXISTS burgee.experiment_phases (
    experiment_id uuid NOT NULL REFERENCES public.ab_test_experiments (id) ON DELETE CASCADE,
    phase integer NOT NULL CHECK (phase >= 1),
    started_at timestamptz NOT NULL DEFAULT now(),
    reason text,
    PRIMARY KEY (experiment_id, phase)
);

-- What one cell of unit_metrics counts. Rows are never changed: batches refer to them by number.
CREATE TABLE IF NOT EXISTS burgee.cells (
    cell integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    experiment_id uuid NOT NULL,
    phase integer NOT NULL,
    variant text NOT NULL,
    metric text NOT NULL,
    randomised boolean NOT NULL,  -- false: the unit got its variant by hand
    UNIQUE (experiment_id, phase, variant, metric, randomised)
);

-- State by unit. fillfactor 50: a page must hold its rows twice, or a window that touches every row
-- bloats the table.
CREATE TABLE IF NOT EXISTS burgee.unit_metrics (
    unit bigint NOT NULL,
    cell integer NOT NULL,
    n bigint NOT NULL,
    sum double precision NOT NULL,
    sum_of_squares double precision NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (unit, cell)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS burgee.experiment_results (
    experiment_id uuid NOT NULL,
    phase integer NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT now(),
    results jsonb NOT NULL,
    PRIMARY KEY (experiment_id, phase, computed_at)
);

-- How far a host's spool is stored. Its row is the fence of every upload.
CREATE TABLE IF NOT EXISTS burgee.spool_cursor (
    spool_id uuid PRIMARY KEY,
    next_lsn bigint NOT NULL,
    host text,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Events that could not be stored, whole and with the reason.
CREATE TABLE IF NOT EXISTS burgee.dead_letter (
    spool_id uuid NOT NULL,
    lsn bigint NOT NULL,
    reason text NOT NULL,
    event jsonb NOT NULL,
    host text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spool_id, lsn)
);

-- One row a host: how far it is.
CREATE TABLE IF NOT EXISTS burgee.hosts (
    host text PRIMARY KEY,
    spool_id uuid,
    generation bigint NOT NULL DEFAULT 0,
    revision bigint NOT NULL DEFAULT 0,
    spool_lag_events bigint NOT NULL DEFAULT 0,
    dropped_events bigint NOT NULL DEFAULT 0,
    program_version text,
    seen_at timestamptz NOT NULL DEFAULT now()
);

DROP TRIGGER IF EXISTS burgee_record_row ON burgee.experiment_phases;
CREATE CONSTRAINT TRIGGER burgee_record_row AFTER INSERT OR UPDATE OR DELETE ON burgee.experiment_phases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION burgee.record_row('phase', 'experiment_id');
DROP TRIGGER IF EXISTS burgee_record_row ON burgee.segments;
CREATE CONSTRAINT TRIGGER burgee_record_row AFTER INSERT OR UPDATE OR DELETE ON burgee.segments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION burgee.record_row('segment', 'name', 'updated_at');
DROP TRIGGER IF EXISTS burgee_record_row ON burgee.layer_slots;
CREATE CONSTRAINT TRIGGER burgee_record_row AFTER INSERT OR UPDATE OR DELETE ON burgee.layer_slots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION burgee.record_row('layer', 'layer');

-- Creates the partitions of today and of `days_ahead` days more (UTC), if the table is partitioned.
-- A day whose rows the DEFAULT partition holds already is left there. Answers how many it created.
CREATE OR REPLACE FUNCTION burgee.ensure_metric_partitions(days_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET timezone = 'UTC' AS $$
DECLARE
    day date;
    created integer := 0;
    partition text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table
                   WHERE partrelid = 'public.ab_test_metrics'::pg_catalog.regclass)
       OR NOT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('burgee.metric_partitions')) THEN
        RETURN 0;
    END IF;
    FOR ahead IN 0 .. least(days_ahead, 31) LOOP
        day := current_date + ahead;
        partition := 'ab_test_metrics_' || pg_catalog.to_char(day, 'YYYYMMDD');
        CONTINUE WHEN pg_catalog.to_regclass('public.' || partition) IS NOT NULL;
        CONTINUE WHEN EXISTS (SELECT FROM public.ab_test_metrics_default
                              WHERE created_at >= day AND created_at < day + 1);
        EXECUTE pg_catalog.format(
            'CREATE TABLE public.%I PARTITION OF public.ab_test_metrics FOR VALUES FROM (%L) TO (%L)',
            partition, day::timestamptz, (day + 1)::timestamptz);
        created := created + 1;
    END LOOP;
    RETURN created;
END
$$;
REVOKE ALL ON FUNCTION burgee.ensure_metric_partitions(integer) FROM PUBLIC;

INSERT INTO burgee.schema_version (version) VALUES (6) ON CONFLICT DO NOTHING;
