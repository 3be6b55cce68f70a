-- Counts rows that others write into ab_test_metrics while they write them, on a table where somebody has
-- asked for it (`burgee db adopt --live on`). docs/adoption.md tells the whole way.
--
-- A statement trigger notes what was written, already grouped by unit, in burgee.waiting_units, and a
-- deferred row trigger there folds the notes at the commit: in between nobody holds a row of
-- burgee.unit_metrics, so that who writes and then has lunch holds up no upload. Whatever goes wrong stays a
-- note, with the reason; hosts fold it later, and nobody's statement fails.
-- By hand: after 010, psql -v ON_ERROR_STOP=1 --single-transaction -f 011_fold_written_rows.sql

-- True: rows that others write after this round was opened are folded by the trigger; they bear its number
-- in `lsn`, negative, and belong to no later round.
ALTER TABLE burgee.metric_backfill
    ADD COLUMN IF NOT EXISTS folds_later_rows boolean NOT NULL DEFAULT false;

DO $$
BEGIN
    IF to_regtype('burgee.written_unit') IS NULL THEN
        -- What one statement wrote of one unit, as far as it counts.
        CREATE TYPE burgee.written_unit AS (
            experiment_id uuid,
            variant text,
            metric text,
            unit text,
            n bigint,
            sum double precision,
            sum_of_squares double precision,
            min double precision,
            max double precision,
            first_at timestamptz,
            last_at timestamptz
        );
    END IF;
END
$$;

-- Notes of open transactions, and, with a reason, those that are still to be folded.
CREATE TABLE IF NOT EXISTS burgee.waiting_units (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id xid8 NOT NULL,
    units burgee.written_unit[] NOT NULL,
    reason text,  -- why they were not folded at the commit
    attempts integer NOT NULL DEFAULT 0,
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS waiting_units_transaction ON burgee.waiting_units (transaction_id);

-- Merges groups into unit state, in the order of (unit, cell) as every writer does. Rows of others belong to
-- phase 1: who writes them knows no phases.
CREATE OR REPLACE FUNCTION burgee.fold_units(units burgee.written_unit[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    -- Read first: an INSERT that conflicts uses up a number.
    INSERT INTO burgee.cells (experiment_id, phase, variant, metric, randomised)
    SELECT DISTINCT w.experiment_id, 1, w.variant, w.metric, true
    FROM pg_catalog.unnest(units) w
    WHERE NOT EXISTS (SELECT FROM burgee.cells c
                      WHERE c.experiment_id = w.experiment_id AND c.phase = 1
                        AND c.variant = w.variant AND c.metric = w.metric AND c.randomised)
    ORDER BY 1, 3, 4
    ON CONFLICT DO NOTHING;

    INSERT INTO burgee.unit_metrics AS u
        (unit, cell, n, sum, sum_of_squares, min, max, first_at, last_at)
    SELECT burgee.unit_hash(w.unit), c.cell, sum(w.n), sum(w.sum), sum(w.sum_of_squares), min(w.min),
           max(w.max), min(w.first_at), max(w.last_at)
    FROM pg_catalog.unnest(units) w
    JOIN burgee.cells c ON c.experiment_id = w.experiment_id AND c.phase = 1
        AND c.variant = w.variant AND c.metric = w.metric AND c.randomised
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (unit, cell) DO UPDATE SET n = u.n + excluded.n, sum = u.sum + excluded.sum,
        sum_of_squares = u.sum_of_squares + excluded.sum_of_squares,
        min = least(u.min, excluded.min), max = greatest(u.max, excluded.max),
        first_at = least(u.first_at, excluded.first_at),
        last_at = greatest(u.last_at, excluded.last_at);
END
$$;
REVOKE ALL ON FUNCTION burgee.fold_units(burgee.written_unit[]) FROM PUBLIC;

-- Statement trigger on ab_test_metrics. Argument: what `lsn` holds in the rows that are to be folded; rows of
-- our own have a spool_id, those of a round another number. Which rows count is decided as the metric writer
-- does (docs/event_storage.md). Notes hold at most 10 000 units, so that each can be folded in one go.
CREATE OR REPLACE FUNCTION burgee.note_written_rows() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    marker bigint := TG_ARGV[0];
BEGIN
    IF NOT EXISTS (SELECT FROM written w WHERE w.spool_id IS NULL AND w.lsn = marker) THEN
        RETURN NULL;
    END IF;
    INSERT INTO burgee.waiting_units (transaction_id, units, reason)
    SELECT pg_catalog.pg_current_xact_id(),
           pg_catalog.array_agg(ROW(p.experiment_id, p.variant, p.metric, p.unit, p.n, p.sum,
               p.sum_of_squares, p.min, p.max, p.first_at, p.last_at)::burgee.written_unit),
           CASE WHEN max(p.total) > 10000 THEN 'many units at once' END
    FROM (SELECT g.*, count(*) OVER () AS total, (row_number() OVER () - 1) / 10000 AS part
          FROM (SELECT w.experiment_id, w.variant_name AS variant, w.metric_type AS metric, t.unit,
                       count(*) AS n, sum(w.metric_value) AS sum,
                       -- The square of less is 0, which PostgreSQL calls an underflow, an error.
                       sum(CASE WHEN abs(w.metric_value) < 1.6e-162 THEN 0
                                ELSE w.metric_value * w.metric_value END) AS sum_of_squares,
                       min(w.metric_value) AS min, max(w.metric_value) AS max,
                       min(t.at) AS first_at, max(t.at) AS last_at
                FROM written w
                CROSS JOIN LATERAL (
                    SELECT coalesce(nullif(w.user_id, ''), nullif(w.session_id, '')) AS unit,
                           pg_catalog.date_trunc('milliseconds', w.created_at) AS at) t
                JOIN public.ab_test_experiments e ON e.id = w.experiment_id
                LEFT JOIN public.feature_flags f ON f.id = e.feature_flag_id
                WHERE w.spool_id IS NULL AND w.lsn = marker
                  AND abs(w.metric_value) <= 1e100 AND pg_catalog.isfinite(t.at)
                  AND pg_catalog.octet_length(t.unit) <= 512
                  AND pg_catalog.octet_length(w.variant_name) <= 512
                  AND pg_catalog.octet_length(w.metric_type) BETWEEN 1 AND 512
                  AND t.at >= coalesce(pg_catalog.date_trunc('milliseconds', e.start_date), '-infinity')
                  AND t.at < coalesce(pg_catalog.date_trunc('milliseconds', e.end_date), 'infinity')
                  AND (EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(
                                   CASE WHEN pg_catalog.jsonb_typeof(f.variants) = 'array'
                                        THEN f.variants ELSE '[]' END) v
                               WHERE v ->> 'name' = w.variant_name)
                       OR EXISTS (SELECT FROM burgee.cells c WHERE c.experiment_id = w.experiment_id
                                                               AND c.variant = w.variant_name))
                GROUP BY 1, 2, 3, 4) g) p
    GROUP BY p.part;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    BEGIN
        INSERT INTO burgee.waiting_units (transaction_id, units, reason)
        VALUES (pg_catalog.pg_current_xact_id(), '{}',
                'rows were not counted: ' || SQLSTATE || ' ' || SQLERRM);
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'burgee: these rows are not counted: %', SQLERRM;
    END;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION burgee.note_written_rows() FROM PUBLIC;

-- Deferred row trigger: at the commit the first note takes all those of its transaction with it, because
-- locks must be taken in one order.
CREATE OR REPLACE FUNCTION burgee.fold_noted_units() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    SET lock_timeout = '200ms'  -- below deadlock_timeout: give way before anybody is chosen to fail
    AS $$
DECLARE
    noted burgee.written_unit[];
BEGIN
    WITH taken AS (
        DELETE FROM burgee.waiting_units w
        WHERE w.transaction_id = pg_catalog.pg_current_xact_id() AND w.reason IS NULL
        RETURNING w.units
    )
    SELECT pg_catalog.array_agg(u) INTO noted FROM taken t, pg_catalog.unnest(t.units) u;
    IF pg_catalog.cardinality(noted) > 10000 THEN
        RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE = 'many units at once';
    ELSIF noted IS NOT NULL THEN
        PERFORM burgee.fold_units(noted);
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    BEGIN
        UPDATE burgee.waiting_units w SET reason = SQLSTATE || ' ' || SQLERRM
        WHERE w.transaction_id = pg_catalog.pg_current_xact_id() AND w.reason IS NULL;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'burgee: these rows are counted late: %', SQLERRM;
    END;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION burgee.fold_noted_units() FROM PUBLIC;

DROP TRIGGER IF EXISTS burgee_fold_noted_units ON burgee.waiting_units;
CREATE CONSTRAINT TRIGGER burgee_fold_noted_units AFTER INSERT ON burgee.waiting_units
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION burgee.fold_noted_units();

-- Folds up to `notes_max` notes that wait, those that failed least often first; answers how many. Hosts call
-- it now and then. Notes of which nothing is known but a reason stay, for people.
CREATE OR REPLACE FUNCTION burgee.fold_waiting_units(notes_max integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '200ms' AS $$
DECLARE
    note record;
    folded integer := 0;
BEGIN
    FOR note IN SELECT w.id, w.units FROM burgee.waiting_units w
                WHERE w.units <> '{}' ORDER BY w.attempts, w.id LIMIT notes_max
                FOR UPDATE SKIP LOCKED LOOP
        BEGIN
            PERFORM burgee.fold_units(note.units);
            DELETE FROM burgee.waiting_units w WHERE w.id = note.id;
            folded := folded + 1;
        EXCEPTION WHEN OTHERS THEN
            UPDATE burgee.waiting_units w
            SET attempts = w.attempts + 1, reason = SQLSTATE || ' ' || SQLERRM WHERE w.id = note.id;
        END;
    END LOOP;
    RETURN folded;
END
$$;
REVOKE ALL ON FUNCTION burgee.fold_waiting_units(integer) FROM PUBLIC;

-- Puts the trigger on ab_test_metrics for the rows that bear the number of this round, or takes it away.
-- Only right in the transaction that opens the round and holds the table: `burgee db adopt` does.
CREATE OR REPLACE FUNCTION burgee.fold_later_rows(round integer, is_wanted boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    DROP TRIGGER IF EXISTS burgee_note_written_rows ON public.ab_test_metrics;
    IF is_wanted THEN
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER burgee_note_written_rows AFTER INSERT ON public.ab_test_metrics'
            ' REFERENCING NEW TABLE AS written FOR EACH STATEMENT'
            ' EXECUTE FUNCTION burgee.note_written_rows(%L)', -round);
    END IF;
    UPDATE burgee.metric_backfill b SET folds_later_rows = is_wanted
    WHERE b.round = fold_later_rows.round;
END
$$;
REVOKE ALL ON FUNCTION burgee.fold_later_rows(integer, boolean) FROM PUBLIC;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_reader') THEN
        GRANT SELECT ON burgee.waiting_units TO burgee_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_owner') THEN
        GRANT SELECT ON burgee.waiting_units TO burgee_owner;
        GRANT EXECUTE ON FUNCTION burgee.fold_waiting_units(integer) TO burgee_owner;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'burgee_writer') THEN
        GRANT EXECUTE ON FUNCTION burgee.fold_waiting_units(integer) TO burgee_writer;
    END IF;
END
$$;

INSERT INTO burgee.schema_version (version) VALUES (11) ON CONFLICT DO NOTHING;
